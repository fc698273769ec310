"""What a machine cannot know: questions of ``audit.toml``, and its answers."""

import tomllib
from pathlib import Path

from edgexai.errors import ConfigError

QUESTIONS = {
    "intended_use": "What is the model for? Who uses it, on whom, where?",
    "misuse": "Which misuse is foreseeable, and what prevents it?",
    "hardware": "On which hardware does it run, with which software around it?",
    "changes": "What has changed since the version before?",
    "data_origin": "Where do the training and test data come from, when, under which licence or consent?",
    "labels": "Who labelled them, how, and how often do labellers agree?",
    "demographics": "Which people, sites and devices do they cover, and which not?",
    "scope": "For which inputs is the model not meant?",
    "oversight": "Who sees its outputs, who can overrule it, and how?",
    "instructions": "Where are the instructions for use?",
    "privacy": "Which personal data is kept, where and how long?",
    "security": "How are models and messages protected and signed?",
    "monitoring": "Who looks at logs and alarms, how often, and what happens then?",
    "permitted_changes": "Which changes may be made without a new audit, and within which bounds?",
    "residual_risk": "Which risks remain, and why are they acceptable?",
    "sign_off": "Who signs this report, in which role?",
}


def blank() -> str:
    """An ``audit.toml`` with every question and no answer."""
    lines = ["# Answers for `edgexai audit`. What stays empty is reported as not assessed.", ""]
    for key, question in QUESTIONS.items():
        lines += [f"# {question}", f'{key} = ""', ""]
    return "\n".join(lines)


def answers(path: str | Path) -> dict[str, str]:
    """Those that were answered; ConfigError for a file that is no TOML, or asks what nobody asked."""
    try:
        said = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}; write a new one with `edgexai audit init`") from None
    for key, answer in said.items():
        if key not in QUESTIONS:
            raise ConfigError(f"{path} answers {key!r}, which is not asked; see `edgexai audit init`")
        if not isinstance(answer, str):
            raise ConfigError(f"{path}: the answer to {key!r} must be text in quotes")
    return {key: answer.strip() for key, answer in said.items() if answer.strip()}
