"""Changes params.yaml and leaves its comments and order as they are."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.artifacts import atomic
from textmill.config.reading import InvalidParams, load_params

if TYPE_CHECKING:
    from ruamel.yaml import YAML


def round_trip_yaml() -> "YAML":
    """Reads and writes YAML with comments."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 4096  # never wrap
    # The default writes nothing for null, which a reader takes for a key that was forgotten.
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def replace_params(yaml: "YAML", document: Any, params: Path) -> None:
    """Write params.yaml in one step, and only if it is valid then.

    Args:
        document: what `yaml` read, changed.

    Raises: InvalidParams.
    """
    with atomic(params) as temporary:
        yaml.dump(document, temporary)
        try:
            load_params(temporary)
        except InvalidParams as error:
            raise InvalidParams(str(error).replace(str(temporary), str(params))) from None
