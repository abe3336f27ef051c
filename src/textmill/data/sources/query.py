"""`data.where`: a pandas query that picks rows."""

import pandas as pd

from textmill.data.sources.errors import UnusableQuery


def pick(batch: pd.DataFrame, where: str, columns: list[str]) -> pd.DataFrame:
    """The rows of a batch for which `where` is true.

    Raises: UnusableQuery: it cannot be evaluated over the columns, or says something other than true or false.
    """
    try:
        # No local or global names: the query sees the columns and nothing else.
        mask = batch.eval(where, engine="python", local_dict={}, global_dict={})
    except Exception as error:  # pandas raises whatever the expression raises
        raise UnusableQuery(_explain(where, columns, str(error))) from None
    if not (isinstance(mask, pd.Series) and pd.api.types.is_bool_dtype(mask)):
        raise UnusableQuery(_explain(where, columns, "it does not say true or false for each row"))
    return batch[mask.fillna(False).astype(bool)]


def _explain(where: str, columns: list[str], fault: str) -> str:
    return (
        f"data.where ({where}) cannot be used: {fault}. It must be a pandas query that is true or false for each "
        f"row, over the columns {', '.join(columns)}. In CSV and TSV every column is text: write stars == '5', or "
        "stars.astype('float') > 3."
    )
