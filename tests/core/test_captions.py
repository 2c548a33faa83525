"""Which words of a tile a network reads."""

from rsviewer.core.captions import caption_layer, caption_of, retrieved_by
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec, Missing, Text


def test_of_several_captions_the_first_is_read_without_its_name() -> None:
    both = "title: a river\n in mountains\n\ntitle_multi_objects: a river, surrounded by: rocks"
    assert caption_of(Text(both)) == "a river in mountains"
    assert caption_of(Text("Note: a river")) == "Note: a river"
    assert caption_of(Text("")) == ""
    assert caption_of(Missing("No table has a caption for it.")) == ""


def test_a_caption_is_a_text_of_a_known_name() -> None:
    image, tags, prompt, caption = (
        LayerSpec(LayerId(name), kind, name)
        for name, kind in (
            ("caption", LayerKind.OPTICAL),
            ("tags", LayerKind.TEXT),
            ("text", LayerKind.TEXT),
            ("caption", LayerKind.TEXT),
        )
    )
    assert caption_layer((image, tags)) is None
    assert caption_layer((image, tags, prompt)) is prompt
    assert caption_layer((prompt, caption)) is caption


def test_an_image_is_retrieved_by_all_that_is_around_or_by_every_caption_it_has() -> None:
    both = "title: a river\n\ntitle_multi_objects: a river, surrounded by: rocks"
    assert retrieved_by(Text(both)) == ("a river, surrounded by: rocks",)
    assert retrieved_by(Text("title: It shows: a river.\n\ntitle_raw: a river.")) == ("It shows: a river.",)
    assert retrieved_by(Text("a river\n\nwater  between trees\n\na river")) == ("a river", "water between trees")
    assert retrieved_by(Text("")) == retrieved_by(Missing("nothing")) == ()
