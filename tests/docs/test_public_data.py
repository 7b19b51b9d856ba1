"""The public data sets of docs/data.md: each command reads a small made-up file of the published shape."""

import gzip
import io
import json
import re
import shlex
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from flows.cli.command import parse
from flows.prepare.settings import DataSettings
from ncf.ingest.load import load_ratings
from tests.docs.pages import REPOSITORY

ROW = re.compile(r"^\| ([^|`]+) \| `([^`|]+)`[^|]* \| `(--dataset [^`]+)`[^|]* \|$", re.MULTILINE)
TABLE = {
    name.strip(): (file, options) for name, file, options in ROW.findall((REPOSITORY / "docs/data.md").read_text())
}
SHA = "00000c289a1829a808ac09c00daf10bc3c4e223b"
MBID = "{}f59f5520-5f2e-4d2c-988d-97509e79{:04d}"


@dataclass(frozen=True)
class Log:
    """What the file has, and what is to be read of it: columns of a frame, as far as they are looked at."""

    content: str | bytes
    read: dict[str, list[object]]


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def gz(text: str) -> bytes:
    return gzip.compress(text.encode())


def zipped(name: str, text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, text)
    return content.getvalue()


REVIEW = {
    "rating": 5.0,
    "title": 'a "b"',
    "text": "so, so",
    "images": [{"url": "x"}],
    "asin": "B01",
    "parent_asin": "B09",
}
REVIEW |= {"user_id": "AE22", "timestamp": 1588615855070, "helpful_vote": 0, "verified_purchase": True}
OLD_REVIEW = {"overall": 4.0, "verified": True, "reviewTime": "12 3, 2017", "reviewerID": "A1", "asin": "0001"}
OLD_REVIEW |= {"reviewerName": "Jo", "reviewText": 'it is 12" long', "summary": "ok", "unixReviewTime": 1512259200}
YELP = {"review_id": "r1", "user_id": "u-1", "business_id": "b_1", "stars": 3.0, "useful": 0, "funny": 0, "cool": 0}
YELP |= {"text": "one\ntwo", "date": "2018-07-07 22:09:11"}
GOODREADS = {"user_id": "8842", "book_id": "24375664", "review_id": "5cd", "isRead": True, "rating": 5}

LOGS: dict[str, Log] = {
    "Amazon reviews 2023": Log(
        gz(lines(REVIEW, REVIEW | {"user_id": "AE23", "rating": 1.0, "timestamp": 1588615855071})),
        {
            "user_id": ["AE22", "AE23"],
            "item_id": ["B09", "B09"],
            "rating": [5.0, 1.0],
            "timestamp": [1588615855070_000, 1588615855071_000],
        },
    ),
    "Amazon reviews 2018": Log(
        gz(lines(OLD_REVIEW, OLD_REVIEW | {"reviewerID": "A2", "asin": "B00X"})),
        {
            "user_id": ["A1", "A2"],
            "item_id": ["0001", "B00X"],
            "rating": [4.0, 4.0],
            "timestamp": [1512259200_000_000] * 2,
        },
    ),
    "Amazon ratings only, 2018": Log(
        "0001713353,A1C6M8LCIX4M6M,5.0,1123804800\n0001713353,A1REUF3A1YCPHM,5.0,1112140800\n",
        {
            "user_id": ["A1C6M8LCIX4M6M", "A1REUF3A1YCPHM"],
            "item_id": ["0001713353"] * 2,
            "timestamp": [1123804800_000_000, 1112140800_000_000],
        },
    ),
    "Yelp": Log(
        lines(YELP, YELP | {"user_id": "u-2", "date": "2012-01-03 15:28:18"}),
        {
            "user_id": ["u-1", "u-2"],
            "item_id": ["b_1", "b_1"],
            "rating": [3.0, 3.0],
            "timestamp": [1531001351_000_000, 1325604498_000_000],
        },
    ),
    "Steam (200k)": Log(
        '151603712,"The Elder Scrolls V Skyrim",purchase,1.0,0\n151603712,"The Elder Scrolls V Skyrim",play,273.0,0\n'
        '151603712,"Fallout 4",purchase,1.0,0\n59945701,"Fallout 4",play,.5,0\n',
        {
            "user_id": [151603712, 59945701],
            "item_id": ["The Elder Scrolls V Skyrim", "Fallout 4"],
            "rating": [273.0, 0.5],
        },
    ),
    "RetailRocket": Log(
        "timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n"
        "1433224214164,992329,transaction,248676,4000\n1433221999827,111016,addtocart,318965,\n",
        {"user_id": [257597, 992329, 111016], "item_id": [355908, 248676, 318965], "rating": [1.0, 5.0, 3.0]},
    ),
    "YooChoose clicks": Log(
        "1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,214536500,0\n2,2014-04-07T13:56:37.614Z,214662742,S\n",
        {
            "user_id": [1, 1, 2],
            "item_id": [214536502, 214536500, 214662742],
            "timestamp": [1396867869277_000, 1396868049868_000, 1396878997614_000],
        },
    ),
    "MIND": Log(
        "1\tU13740\t11/11/2019 9:05:58 AM\tN55189 N42782\tN55689-1 N35729-0\n"
        "2\tU91836\t11/12/2019 6:11:30 PM\t\tN20678-0 N39317-1\n"
        "3\tU73700\t11/14/2019 7:01:48 AM\tN10732\tN50014-0 N23877-1\n",
        {
            "user_id": ["U13740", "U13740", "U73700"],
            "item_id": ["N55189", "N42782", "N10732"],
            "timestamp": [1573463158_000_000, 1573463158_000_000, 1573714908_000_000],
        },
    ),
    "last.fm 360K": Log(
        f'{SHA}\t{MBID.format("3", 1)}\tbetty "b\t2137\n'
        f'{SHA}\t\tdie Ärzte\t1099\n{SHA[::-1]}\t{MBID.format("5", 2)}\t"t.A.T.u.\t4\n',
        {
            "user_id": [SHA, SHA, SHA[::-1]],
            "item_id": ['betty "b', "die Ärzte", '"t.A.T.u.'],
            "rating": [2137.0, 1099.0, 4.0],
        },
    ),
    "Book-Crossing": Log(
        '"User-ID";"ISBN";"Book-Rating"\n"276725";"034545104X";"0"\n"276726";"0155061224";"5"\n"276727";"x\\";y";"7"\n',
        {
            "user_id": [276725, 276726, 276727],
            "item_id": ["034545104X", "0155061224", 'x";y'],
            "rating": [0.0, 5.0, 7.0],
        },
    ),
    "KuaiRec": Log(
        "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"
        "0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.273\n"
        "0,9598,13665,10984,2020-07-05 00:13:41.297,20200705,1593879221.297,1.24\n",
        {
            "user_id": [0, 0],
            "item_id": [3649, 9598],
            "rating": [1.273, 1.24],
            "timestamp": [1593878903438_000, 1593879221297_000],
        },
    ),
    "H&M": Log(
        "t_dat,customer_id,article_id,price,sales_channel_id\n2018-09-20,000058a12d5b,0663713001,0.0508,2\n2018-09-21,000058a12d5c,0541518023,0.0304,2\n",
        {
            "user_id": ["000058a12d5b", "000058a12d5c"],
            "item_id": ["0663713001", "0541518023"],
            "timestamp": [1537401600_000_000, 1537488000_000_000],
        },
    ),
    "Goodreads": Log(
        "user_id,book_id,is_read,rating,is_reviewed\n0,948,1,5,0\n0,947,1,4,1\n1,948,0,0,0\n",
        {"user_id": [0, 0], "item_id": [948, 947], "rating": [5.0, 4.0]},
    ),
    "Gowalla": Log(
        gz(
            "0\t2010-10-19T23:55:27Z\t30.2359091167\t-97.7951395833\t22847\n1\t2010-10-18T22:17:43Z\t30.2691029532\t-97.7493953705\t420315\n"
        ),
        {"user_id": [0, 1], "item_id": [22847, 420315], "timestamp": [1287532527_000_000, 1287440263_000_000]},
    ),
    "Criteo attribution": Log(
        gz(
            "timestamp\tuid\tcampaign\tconversion\tclick\n0\t20073966\t22589171\t0\t0\n2\t24607497\t884761\t0\t1\n3\t28474333\t18975823\t1\t1\n"
        ),
        {"user_id": [24607497, 28474333], "item_id": [884761, 18975823], "timestamp": [2_000_000, 3_000_000]},
    ),
    "MovieLens, own copy": Log(
        "1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n",
        {"user_id": [1, 1, 2], "item_id": [1193, 661, 1193], "rating": [5.0, 3.0, 4.0]},
    ),
    "Netflix": Log(
        "1488844,1,3,2005-09-06\n822109,1,5,2005-05-13\n885013,2,4,2005-10-19\n",  # as the line of awk writes it
        {"user_id": [1488844, 822109, 885013], "item_id": [1, 1, 2], "rating": [3.0, 5.0, 4.0]},
    ),
}


def test_every_data_set_of_the_page_is_tried() -> None:
    assert TABLE.keys() == LOGS.keys()


@pytest.mark.parametrize("name", LOGS)
def test_a_public_data_set_is_read_by_the_command_of_the_page(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, options = TABLE[name]
    log = LOGS[name]
    (tmp_path / file).write_bytes(
        log.content
        if isinstance(log.content, bytes)
        else log.content.encode("latin-1" if "latin-1" in options else "utf-8")
    )
    monkeypatch.chdir(tmp_path)
    settings = parse(DataSettings, shlex.split(options.replace("\\|", "|")))
    frame: pd.DataFrame = load_ratings(settings.log_source).frame
    assert {column: frame[column].tolist() for column in log.read} == log.read
