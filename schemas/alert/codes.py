"""The closed vocabularies of an alert and the bounds of its parts.

Every list is a `Literal`, so that the types, the JSON Schema and the hints ("did you mean ...") share one source.
A value outside a list belongs into a text field; lists grow with a version of the alert, not by the way.
"""

from __future__ import annotations

from typing import Literal

# --- bounds: what a reader must be able to hold and show; together they stay well under MAX_DOCUMENT ---------------
MAX_SHORT = 120  # one line on a screen: names, numbers, makes
MAX_LINE = 400  # a sentence or two: notes, descriptions
MAX_TITLE = 160  # the subject line of an inbox
MAX_NARRATIVE = 20_000  # about six printed pages; longer reports travel as attachments
MAX_URL = 2_000  # what browsers and proxies accept in practice
MAX_ADDRESSES = 64  # twice the agencies of a large operation
MAX_SUBJECTS = 200  # a large case names dozens; figures of whole operations belong in a sitrep
MAX_FEW = 16  # short lists inside one subject: names, origins, tests
MAX_SOME = 64  # longer lists: dates, steps, links, figures
MAX_ALERT = 524_288  # bytes on the wire: half of MAX_BODY, so that padding and what surrounds it always fit
MAX_DIGITS = 30  # of a decimal number, point and sign included
MAX_COUNT = 10**12  # of people, cases, parcels

Kind = Literal[
    "seizure",
    "watch",
    "detection",
    "method",
    "risk",
    "request",
    "response",
    "sitrep",
    "bulletin",
    "correction",
    "recall",
]
Marking = Literal["clear", "green", "amber", "amber+strict", "red"]  # TLP 2.0
Status = Literal["actual", "exercise", "test"]
Precedence = Literal["flash", "immediate", "priority", "routine"]
Mode = Literal["sea", "air", "post", "road", "rail", "other"]
SubjectType = Literal[  # of schemas.alert.subjects; standing requests name them without loading those
    "arrests",
    "carriage",
    "concealment",
    "consignment",
    "container",
    "detection",
    "flight",
    "item",
    "location",
    "mark",
    "organisation",
    "outcome",
    "parcel",
    "person",
    "route",
    "substance",
    "value",
    "vehicle",
    "vessel",
]
RelationType = Literal["reply", "follow-up", "correct", "recall"]
SourceGrade = Literal["A", "B", "C", "D", "E", "F"]  # reliability of the source; F cannot be judged
Caveat = Literal[
    "no-judicial-use",  # intelligence only, not evidence
    "no-onward-sharing",  # not beyond the addressees without the originator
    "no-action-without-originator",  # ask before acting on it
    "no-publication",  # nothing to the press
    "protect-source",  # the way it was learned is sensitive
    "need-to-know",  # named readers inside the agency only
    "personal-data",  # holds data on persons: retention and access rules apply
    "officer-safety",  # read before handling the goods or meeting the persons
]

# --- dates and certainty -------------------------------------------------------------------------------------------
Event = Literal[
    "departure",
    "loading",
    "arrival",
    "selection",
    "examination",
    "detection",
    "seizure",
    "controlled-delivery",
    "arrest",
    "charge",
    "handover",
    "laboratory",
    "report",
    "publication",
    "destruction",
    "expected-arrival",
    "other",
]
DateBasis = Literal[
    "stated",
    "inferred-from-weekday",
    "inferred-year",
    "date-of-report",
    "last-of-several",
    "first-of-several",
    "estimated",
]
Certainty = Literal["stated", "believed", "disputed", "inferred", "unknown"]

# --- amounts -------------------------------------------------------------------------------------------------------
Qualifier = Literal["exact", "about", "over", "nearly", "at-least", "up-to", "estimated", "range"]
QuantityBasis = Literal[
    "as-seized", "net", "gross", "with-packaging", "pure", "with-carrier", "dry", "by-count", "several-sites"
]
ValueBasis = Literal["street", "wholesale", "declared", "insured", "stated"]
ValueScope = Literal["this-case", "part-of-case", "several-cases", "one-substance", "with-carrier"]

# --- goods ---------------------------------------------------------------------------------------------------------
SubstanceForm = Literal[
    "powder",
    "crystal",
    "liquid",
    "tablet",
    "capsule",
    "herbal",
    "resin",
    "oil",
    "paste",
    "brick",
    "edible",
    "vape",
    "impregnated",
    "dissolved",
    "plant",
    "other",
]
SubstanceRole = Literal["drug", "precursor", "chemical", "cutting-agent", "poison", "medicine", "other"]
FindingStatus = Literal["suspected", "presumptive", "confirmed", "refuted"]
Test = Literal[
    "visual",
    "field-test",
    "ion-scanner",
    "raman",
    "infrared",
    "x-ray-fluorescence",
    "immunoassay",
    "laboratory",
    "medical",
    "other",
]
ItemKind = Literal[
    "firearm",
    "ammunition",
    "explosive",
    "cash",
    "phone",
    "satellite-phone",
    "tracker",
    "computer",
    "vehicle",
    "vessel",
    "tobacco",
    "vape",
    "medicine",
    "document",
    "equipment",
    "wildlife",
    "other",
]
MarkKind = Literal["logo", "stamp", "label", "seal", "wrapping", "writing", "tag", "other"]
ConcealmentMethod = Literal[
    "in-goods",
    "among-goods",
    "disguised-as-goods",
    "in-packaging",
    "in-machinery",
    "dissolved",
    "impregnated",
    "container-structure",
    "refrigeration-unit",
    "rip-on",
    "vessel-structure",
    "sea-chest",
    "ballast-tank",
    "underwater",
    "afloat",
    "vehicle",
    "baggage",
    "on-body",
    "internal",
    "stash",
    "at-sea-transfer",
    "other",
]
OutcomeResult = Literal[
    "investigation-open",
    "controlled-delivery",
    "substituted",
    "consignee-not-found",
    "abandoned",
    "released",
    "no-prosecution",
    "charged",
    "destroyed",
    "handed-over",
    "still-at-large",
    "other",
]
Hazard = Literal[
    "synthetic-opioid",
    "toxic",
    "corrosive",
    "flammable",
    "explosive",
    "oxidising",
    "pressurised",
    "biological",
    "radioactive",
    "firearms",
    "armed-persons",
    "confined-space",
    "insider",
    "other",
]

# --- movement ------------------------------------------------------------------------------------------------------
PlaceKind = Literal[
    "port",
    "terminal",
    "airport",
    "airstrip",
    "rail-station",
    "border-crossing",
    "examination-site",
    "mail-centre",
    "warehouse",
    "high-seas",
    "coastal-waters",
    "beach",
    "anchorage",
    "stash-house",
    "address",
    "city",
    "area",
    "other",
]
PlaceRole = Literal["detection", "seizure", "arrest", "loading", "transfer", "destination", "stash", "other"]
Direction = Literal["import", "export", "transit", "internal", "unknown"]
CarriageMeans = Literal[
    "container",
    "sea-cargo",
    "vessel",
    "small-craft",
    "air-cargo",
    "passenger",
    "passenger-baggage",
    "unaccompanied-baggage",
    "crew",
    "light-aircraft",
    "parcel",
    "express",
    "truck",
    "car",
    "rail",
    "on-foot",
    "freight-forwarder",
    "adrift",
    "washed-ashore",
    "cache",
    "stash-house",
    "not-stated",
]
ConveyanceRole = Literal["carrier", "mother", "feeder", "pick-up", "supply", "intercepting", "recovery", "other"]
VesselKind = Literal[
    "container-ship",
    "bulk-carrier",
    "tanker",
    "general-cargo",
    "ro-ro",
    "fishing",
    "yacht",
    "passenger",
    "small-craft",
    "semi-submersible",
    "naval",
    "other",
]
LoadState = Literal["full", "groupage", "empty", "unknown"]

# --- people and detection ------------------------------------------------------------------------------------------
Sex = Literal["female", "male", "other", "unknown"]
PersonRole = Literal[
    "courier", "consignee", "shipper", "driver", "crew", "organiser", "insider", "suspect", "witness", "victim", "other"
]
OrganisationRole = Literal[
    "shipper",
    "consignee",
    "notify-party",
    "carrier",
    "forwarder",
    "broker",
    "importer",
    "exporter",
    "front",
    "abused-identity",
    "syndicate",
    "other",
]
ArrestsStatus = Literal["none", "some", "not-stated"]
Stage = Literal["selection", "confirmation", "follow-up"]
Method = Literal[
    "intelligence",
    "partner-intelligence",
    "public-report",
    "risk-profiling",
    "link-analysis",
    "route-analysis",
    "document-anomaly",
    "seal-mismatch",
    "weight-anomaly",
    "behaviour",
    "questioning",
    "routine-check",
    "chance-find",
    "patrol",
    "surveillance",
    "coastal-radar",
    "aerial-surveillance",
    "vessel-tracking",
    "mail-screening",
    "x-ray",
    "mobile-x-ray",
    "advanced-equipment",
    "detector-dog",
    "ion-scanner",
    "raman",
    "field-test",
    "laboratory",
    "medical-examination",
    "physical-examination",
    "baggage-search",
    "vehicle-search",
    "vessel-search",
    "boarding-at-sea",
    "divers",
    "underwater-vehicle",
    "search-of-premises",
    "joint-operation",
    "electronic-tag",
    "substitution",
    "controlled-delivery",
    "arrest",
    "other",
]
Result = Literal["positive", "negative", "inconclusive", "anomaly", "failed"]
PartnerRole = Literal[
    "tip",
    "joint-operation",
    "joint-inspection",
    "controlled-delivery",
    "seizing",
    "arrests",
    "investigation",
    "laboratory",
    "search",
    "reporting",
    "coordination",
    "prosecution",
    "recipient",
    "support",
]
LinkType = Literal[
    "same-case",
    "same-method",
    "same-syndicate",
    "same-series",
    "same-conveyance",
    "led-to",
    "led-from",
    "see-also",
]
WatchAction = Literal["hold", "examine", "scan", "search", "observe", "report", "do-not-alert"]
BulletinTopic = Literal["canine", "equipment", "practice", "training", "safety", "legal", "substances", "technology"]

# ISO 4217 alphabetic codes of currencies in circulation; funds, metals and testing codes are left out.
_CURRENCY_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP
CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD
IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP
SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF
YER ZAR ZMW
"""
CURRENCIES = frozenset(_CURRENCY_CODES.split())
