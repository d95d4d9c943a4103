"""What the routes of scores take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from bridged.web.documents import Document, Id

BandName = Literal["hot", "warm", "nurture", "risk"]


class ScoreQuery(Document):
    """Which scores, the best first."""

    limit: int = Field(10, ge=1, le=100)
    starting_after: Id | None = Field(None, description="The page after this customer: lower scores.")
    band: BandName | None = None
    owner: Id | None = None
    at_least: int = Field(0, ge=0, le=100)


class ExportQuery(Document):
    """Which scores to export."""

    band: BandName | None = None


class ContributionDocument(BaseModel):
    """One line of a score. `value` null: not known, so no points. `sources`: ids of Stripe's objects behind it."""

    factor: str
    part: str
    points: int
    of: int
    value: int | float | str | None
    why: str
    sources: list[str]


class ScoreDocument(BaseModel):
    """A customer's score. The points of the contributions sum to it."""

    object: Literal["score"]
    customer: str
    name: str | None
    email: str | None
    score: int
    band: BandName
    judged: int = Field(description="How many of the 100 points could be judged by what is known.")
    owner: str | None
    owner_why: str
    gates: list[str]
    missing: list[str]
    contributions: list[ContributionDocument]
    weights_version: int = Field(description="0: the program's own.")
    changed_at: datetime


class ScoreList(BaseModel):
    """Scores, the best first."""

    object: Literal["list"]
    data: list[ScoreDocument]
    has_more: bool
    url: str
    bands: dict[str, int] = Field(description="How many customers are in each band.")


class ScoreChangeDocument(BaseModel):
    """A change of score or band. `cause`: `first`, `facts` or `weights`."""

    at: datetime
    score: int
    score_before: int | None
    band: str
    band_before: str | None
    weights_version: int
    cause: str


class ExplainedDocument(ScoreDocument):
    """A score with its rank (1 is the best) and its newest changes."""

    rank: int
    history: list[ScoreChangeDocument]


class RefreshBody(Document):
    """Whom to score anew; without ids, everybody."""

    ids: list[Id] | None = Field(None, max_length=1000)


class RefreshDocument(BaseModel):
    """What scoring anew changed."""

    object: Literal["score_refresh"]
    scored: int
    changed: int
    announced: int


class WeightsBody(Document):
    """The document of the weights (docs/guide/scores.md)."""

    weights: dict[str, Any]


class VersionDocument(BaseModel):
    """Weights that count, or counted."""

    version: int
    weights: dict[str, Any]
    published_at: datetime | None
    published_by: str | None


class DraftDocument(BaseModel):
    """Weights that may come to count. `simulated_at`: since the last edit, without which they are not published."""

    weights: dict[str, Any]
    base: int
    edited_at: datetime
    edited_by: str
    simulated_at: datetime | None


class ScaleDocument(BaseModel):
    """The weights of a connection."""

    object: Literal["score_weights"]
    published: VersionDocument
    draft: DraftDocument | None
    versions: list[VersionDocument]


class MoverDocument(BaseModel):
    """A customer whose rank would change. `moved`: places won; lost ones are negative."""

    customer_id: str
    rank_before: int
    rank_after: int
    moved: int
    total_before: int
    total_after: int
    band_before: str
    band_after: str


class MoveDocument(BaseModel):
    """So many customers would go from one band to another."""

    before: str
    after: str
    customers: int


class SimulationDocument(BaseModel):
    """What the draft would change. `kept_in_top`: the part of the best tenth that stays in it."""

    object: Literal["score_simulation"]
    customers: int
    scores_changed: int
    ranks_changed: int
    bands_changed: int
    owners_changed: int
    mean_before: float
    mean_after: float
    kept_in_top: float
    bands_before: dict[str, int]
    bands_after: dict[str, int]
    moves: list[MoveDocument]
    movers: list[MoverDocument]
    top_before: list[MoverDocument] = Field(description="The best by the weights that count.")
    top_after: list[MoverDocument] = Field(description="The best by the draft.")


class ScoreWebhookBody(Document):
    """Where changes of band are announced: https, or http on the machine of Bridged itself."""

    url: Id
    new_secret: bool = False


class AnnouncementDocument(BaseModel):
    """An announcement and what came of it. `status`: of the receiver's last answer."""

    id: str
    customer_id: str
    band_before: str
    band: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    status: int | None
    problem: str | None
    created_at: datetime
    next_at: datetime | None
    finished_at: datetime | None


class ScoreWebhookDocument(BaseModel):
    """The webhook, with the newest announcements. `secret` is there once, in the answer that made it."""

    object: Literal["score_webhook"]
    url: str | None
    fingerprint: str | None
    secret: str | None
    announcements: list[AnnouncementDocument]
