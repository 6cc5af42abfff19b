#!/usr/bin/env python3
"""Writes sigv4_vectors.json: requests as botocore signs and sends them, for sigv4_test.cc.

    python3 -m venv venv && venv/bin/pip install botocore==1.44.8 && venv/bin/python src/auth/sigv4_vectors.py

Nothing is sent: a client's request is taken from botocore just before it would be. The time is fixed, so that another
run writes the same file.
"""
import datetime
import io
import json
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.session
from botocore.credentials import Credentials

TIME = datetime.datetime(2026, 3, 4, 5, 6, 7, tzinfo=datetime.timezone.utc)
KEY = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
EMPTY_HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def vector(name, service, method, url, headers, body, **more):
    """The request as it is on the wire."""
    parts = urlsplit(url)
    headers = [[n, v.decode("latin-1") if isinstance(v, bytes) else str(v)] for n, v in headers]
    if not any(n.lower() == "host" for n, _ in headers):
        headers.append(["Host", parts.netloc])
    return {"name": name, "service": service, "method": method, "path": parts.path, "query": parts.query,
            "headers": headers, "body_hex": body.hex(), **more}


def signed(name, url="https://firehose.eu-west-1.amazonaws.com/", method="POST", headers=(), body=b"",
           service="firehose", region="eu-west-1", signer=botocore.auth.SigV4Auth):
    request = botocore.awsrequest.AWSRequest(method=method, url=url, data=body)
    for field in headers:
        request.headers.add_header(*field)
    signer(KEY, service, region).add_auth(request)
    return vector(name, service, method, request.url, request.headers.items(), body)


def presigned(name, url, expires=3600, service="firehose", signer=botocore.auth.SigV4QueryAuth, headers=()):
    request = botocore.awsrequest.AWSRequest(method="GET", url=url)
    for field in headers:
        request.headers.add_header(*field)
    signer(KEY, service, "us-east-1", expires).add_auth(request)
    return vector(name, service, "GET", request.url, request.headers.items(), b"")


class Taken(Exception):
    pass


def called(name, service, operation, endpoint=None, payload=None, **arguments):
    """What a client of botocore sends for an operation."""
    session = botocore.session.Session()
    session.set_credentials(KEY.access_key, KEY.secret_key)
    client = session.create_client(service, region_name="us-east-1", endpoint_url=endpoint,
                                   config=botocore.config.Config(s3={"addressing_style": "path"}))
    taken = []

    def take(request, **_):
        taken.append(request)
        raise Taken

    client.meta.events.register("before-send", take)
    try:
        getattr(client, operation)(**arguments)
    except Taken:
        pass
    request = taken[0]
    body = request.body or b""
    body = body.read() if hasattr(body, "read") else body
    more = {} if payload is None else {"payload_hex": payload.hex()}
    return vector(name, service, request.method, request.url, request.headers.items(), body, **more)


def plain():
    json_type = ("Content-Type", "application/x-amz-json-1.1")
    yield signed("an empty body", headers=[json_type])
    yield signed("a body", headers=[json_type, ("X-Amz-Target", "Firehose_20150804.PutRecordBatch")], body=b'{"a": 1}')
    yield signed("a body of all bytes", body=bytes(range(256)) * 3)
    yield signed("another region", region="ap-southeast-4", body=b"x")
    yield signed("a region that is none of AWS's", region="tarn-1", body=b"x")
    yield signed("the body's hash given", headers=[("X-Amz-Content-Sha256", EMPTY_HASH)])
    yield signed("a Date header", headers=[("Date", "Wed, 04 Mar 2026 05:06:07 GMT")], body=b"x")
    yield signed("blanks in headers", headers=[("X-Amz-Meta-A", "  a   b \t c  "), ("My-Header", '"x   y"')])
    yield signed("repeated headers", headers=[("X-Amz-Meta-B", "2"), ("X-Amz-Meta-A", "z"), ("X-Amz-Meta-B", " 1  1 "),
                                               ("x-amz-meta-b", "")])
    yield signed("an empty header", headers=[("X-Amz-Meta-A", "")])
    yield signed("names in all cases", headers=[("x-amz-META-a", "V"), ("CONTENT-type", "Text/Plain")])
    yield signed("names that sort around each other", headers=[("X-Amz-A-B", "1"), ("X-Amz-A", "2"), ("X-Amz-A1", "3")])
    yield signed("a port in the host", url="http://127.0.0.1:8700/")
    yield signed("an IPv6 host", url="http://[::1]:8700/")
    yield signed("no path", url="https://firehose.eu-west-1.amazonaws.com")
    for path in ("/a/b", "/a//b", "//", "/./a", "/a/./b/", "/a/../b", "/../a", "/a/b/..", "/%E1%88%B4", "/a%20b/c+d",
                 "/%2F/%2e%2E/x", "/a;b=c,d", "/~tilde-_.", "/!$&'()*:@", "/%25", "/a%2520b"):
        yield signed(f"path {path}", url="https://h.example" + path, method="GET")
    for query in ("a=1", "b=2&a=1", "a=2&a=1&a", "a=1&a-b=1&a.b=1&aB=1&A=1", "k=%20%2B%2F%3D", "%E1%88%B4=bar", "empty=",
                  "empty", "a=~-._", "Action=ListUsers&Version=2010-05-08", "a=%2A%27%28%29", "a0=1&a%20=1&a=1"):
        yield signed(f"query {query}", url="https://h.example/?" + query, method="GET")
    for method in ("GET", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"):
        yield signed(f"method {method}", method=method)


def of_s3():
    for path in ("/bucket/a//b", "/bucket/./../k", "/bucket/%E1%88%B4", "/bucket/a%20b%2Bc", "/bucket/%2F/x", "/"):
        yield signed(f"S3 path {path}", url="https://s3.amazonaws.com" + path, method="GET", service="s3",
                     signer=botocore.auth.S3SigV4Auth)
    yield signed("S3 body", url="https://s3.amazonaws.com/bucket/k", method="PUT", service="s3", body=b"hello",
                 signer=botocore.auth.S3SigV4Auth)
    yield called("S3 put_object", "s3", "put_object", Bucket="b", Key="k ü/+", Body=b"hello" * 1000,
                 payload=b"hello" * 1000)
    yield called("S3 put_object in pieces", "s3", "put_object", Bucket="b", Key="k",
                 Body=io.BytesIO(b"0123456789" * 500), ChecksumAlgorithm="SHA256", payload=b"0123456789" * 500)
    yield called("S3 put_object of nothing", "s3", "put_object", Bucket="b", Key="k", Body=io.BytesIO(b""), payload=b"")
    yield called("S3 put_object over http", "s3", "put_object", endpoint="http://127.0.0.1:9000", Bucket="b", Key="k",
                 Body=b"hello")


def of_clients():
    records = [{"Data": bytes([i]) * 50} for i in range(20)]
    for endpoint in (None, "http://127.0.0.1:8700", "https://tarn.example/"):
        yield called(f"firehose put_record_batch at {endpoint}", "firehose", "put_record_batch", endpoint=endpoint,
                     DeliveryStreamName="web_log", Records=records)
    yield called("firehose list_delivery_streams", "firehose", "list_delivery_streams")
    yield called("athena start_query_execution", "athena", "start_query_execution", QueryString="SELECT 'ü'",
                 ClientRequestToken="0123456789abcdef0123456789abcdef")


def in_query():
    yield presigned("presigned", "https://h.example/")
    yield presigned("presigned with a query", "https://h.example/a%20b?z=1&a=%20%2B&A=x", expires=1)
    yield presigned("presigned for a week", "https://h.example/", expires=604800)
    yield presigned("presigned with headers", "https://h.example/x",
                    headers=[("X-Amz-Meta-A", " a  b "), ("Range", "bytes=0-9")])
    yield presigned("presigned for S3", "https://s3.amazonaws.com/bucket/a//b", service="s3",
                    signer=botocore.auth.S3SigV4QueryAuth)


def main():
    now = mock.patch("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: TIME)
    pieces = mock.patch("botocore.httpchecksum.AwsChunkedWrapper._DEFAULT_CHUNK_SIZE", 2048)  # else of 1 MiB
    with now, pieces:
        vectors = [*plain(), *of_s3(), *of_clients(), *in_query()]
    for one in vectors:  # that vary with the machine, and are not signed
        one["headers"] = [h for h in one["headers"] if h[0].lower() not in ("user-agent", "amz-sdk-invocation-id")]
    lines = ",\n".join(json.dumps(one, ensure_ascii=True) for one in vectors)
    text = f'{{"time": "{TIME:%Y%m%dT%H%M%SZ}", "vectors": [\n{lines}\n]}}\n'
    (Path(__file__).parent / "sigv4_vectors.json").write_text(text)
    print(f"{len(vectors)} vectors")


if __name__ == "__main__":
    main()
