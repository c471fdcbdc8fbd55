"""Providers of installed packages: found by their metadata, and each fault one line."""

from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.packaged_provider import package
from tests.provider_support import provider_settings
from tidings import provider_catalogue
from tidings.domain.providers import BUILT_IN
from tidings.domain.vocabulary import Channel
from tidings.errors import SetupError
from tidings.provider_catalogue import GROUP, Catalogue, collected
from tidings.providers.registry import build_providers
from tidings.settings import DeliverySettings

OWL = """
class Owl:
    name = "owl"
    channels = ("sms", "push")

    @classmethod
    def build(cls, settings):
        return cls()

    async def send(self, message): ...

    async def aclose(self): ...
"""


def found(site: Path) -> Catalogue:
    """What is found if nothing but this folder's packages is installed beside Tidings."""
    metadata = distributions(path=[str(site)])
    return collected(BUILT_IN, [point for one in metadata for point in one.entry_points.select(group=GROUP)])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


async def test_a_package_adds_to_its_channels_and_changes_no_default(site: Path) -> None:
    before = Catalogue(BUILT_IN)
    known = found(package(site, "tidings-owl", {"owl": "owl_1:Owl"}, owl_1=OWL))
    assert known.faults == ()
    for channel in Channel:
        added = ["owl"] if channel in (Channel.SMS, Channel.PUSH) else []
        assert known.names(channel) == before.names(channel) + added
    providers = build_providers(provider_settings(), known)
    assert providers.get("owl", Channel.SMS) is providers.get("owl", Channel.PUSH)
    await providers.aclose()


@pytest.mark.parametrize(
    ("name", "text", "cause"),
    [
        ("owl", "import no_such_module", "cannot be imported: ModuleNotFoundError: No module named"),
        ("owl", "raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("owl", "raise ValueError('two\\nlines')", "cannot be imported: ValueError: two lines"),
        ("owl", "Owlet = 1", "cannot be imported: AttributeError: "),
        ("owl", "class Owl: name = 'owl'", "has no `channels`"),
        ("owl", OWL.replace("def build", "def construct"), "has no `build`"),
        ("owl", OWL.replace('"owl"', '"eagle"'), "calls itself 'eagle'"),
        ("owl", OWL.replace('"push"', '"pigeon"'), "`channels` must be of email, sms, push, webhook, chat: "),
        (
            "owl",
            OWL.replace('("sms", "push")', "3"),
            "`channels` must be of email, sms, push, webhook, chat: ",
        ),
        ("owl", OWL.replace('("sms", "push")', "()"), "serves no channel"),
        ("Owl!", OWL, "a name is at most 50 of "),
        ("smtp", OWL, "the name is taken by Tidings itself"),
    ],
)
def test_what_is_no_provider_is_one_line_and_the_others_stay(
    site: Path, request: pytest.FixtureRequest, name: str, text: str, cause: str
) -> None:
    module = f"owl_broken_{request.node.callspec.indices['name']}"
    known = found(package(site, "tidings-owl", {name: f"{module}:Owl"}, **{module: text}))
    assert known.entries == BUILT_IN
    [fault] = known.faults
    assert fault.text.startswith(f"provider '{name}' of tidings-owl 2.5 ({module}:Owl): {cause}")
    assert len(fault.text.splitlines()) == 1
    with pytest.raises(SetupError) as raised:
        build_providers(provider_settings(), known)
    assert fault.text in str(raised.value)


def test_of_two_packages_with_one_name_the_second_is_at_fault(site: Path) -> None:
    package(site, "tidings-owl", {"owl": "owl_2:Owl"}, owl_2=OWL)
    package(site, "snowy", {"owl": "owl_3:Owl"}, owl_3=OWL)
    known = found(site)
    assert [entry.package for entry in known.entries if entry.name == "owl"] == ["tidings-owl 2.5"]
    [fault] = known.faults
    assert fault.text == "provider 'owl' of snowy 2.5 (owl_3:Owl): the name is taken by tidings-owl 2.5"


@pytest.mark.parametrize(
    ("built", "cause"),
    [
        ("return 1 / 0", "cannot be built: ZeroDivisionError: division by zero"),
        ("return object()", "builds what has no `send` and `aclose`"),
        ("from tidings.errors import SetupError; raise SetupError('Set TIDINGS_OWL.')", "Set TIDINGS_OWL."),
    ],
)
def test_a_provider_that_cannot_be_built_is_one_line(
    site: Path, request: pytest.FixtureRequest, built: str, cause: str
) -> None:
    module = f"owl_unbuilt_{request.node.callspec.indices['built']}"
    text = OWL.replace("return cls()", built)
    known = found(package(site, "tidings-owl", {"owl": f"{module}:Owl"}, **{module: text}))
    with pytest.raises(SetupError) as raised:
        build_providers(provider_settings(), known)
    assert cause in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_route_may_name_a_packages_provider_and_says_what_is_wrong_with_a_broken_one(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_ROUTE_SMS", '["owl", "twilio"]')
    package(site, "tidings-owl", {"owl": "owl_4:Owl"}, owl_4=OWL)
    with monkeypatch.context() as patched:
        patched.setattr("tidings.settings.delivery.catalogue", lambda: found(site))
        assert DeliverySettings.load().route(Channel.SMS, "acme").names == ["owl", "twilio"]
    (site / "tidings_owl-2.5.dist-info" / "entry_points.txt").write_text(f"[{GROUP}]\nowl = owl_5:Owl\n")
    monkeypatch.setattr("tidings.settings.delivery.catalogue", lambda: found(site))
    with pytest.raises(
        SetupError, match=r"sms route names 'owl'; provider 'owl' of tidings-owl 2\.5 .*owl_5"
    ):
        DeliverySettings.load()


def test_packages_are_looked_up_once_a_process() -> None:
    assert provider_catalogue.catalogue() is provider_catalogue.catalogue()
