#!/usr/bin/env python3
"""The door under clients that mean it ill, or wait long: who may not send is told so before its body
is read, and nobody who waits keeps the others from being answered."""
import resource
import socket
import threading
import time

import agent_batch
import harness

LINE = b'192.0.2.1 - - [24/Nov/2026:13:00:00 +0000] "GET /%d HTTP/1.1" 200 5 "-" "-"\n'


class Strangers(harness.Case):
    def setUp(self):
        super().setUp()
        self.shop = self.project().start()

    def begin(self, line, *fields, body=b""):
        """Sends a header and the beginning of a long body; the answer up to the end of the
        connection."""
        with socket.create_connection(("127.0.0.1", self.shop.port), timeout=20) as client:
            head = [line + " HTTP/1.1", "Host: x", *fields]
            client.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
            answer = b""
            while part := client.recv(65536):
                answer += part
            return answer.decode()

    def test_the_key_counts_before_the_body(self):
        reader = harness.tarn("keys", "create", "r1", self.shop.folder, "--role", "reader")
        self.assertEqual(reader.returncode, 0, reader.stderr)
        key = reader.stdout.strip()
        harness.wait_for("the key to count",
                         lambda: self.shop.get("/v1/status", key).status == 200)
        batch = "POST /v1/agent/batches"
        for line, fields, status in (
                (batch, ["Content-Length: 20000000"], 401),
                (batch, ["Transfer-Encoding: chunked"], 401),
                (batch, ["Content-Length: 20000000", "Expect: 100-continue"], 401),
                (batch, ["Content-Length: 20000000", "Authorization: Bearer " + key], 403),
                (batch, ["Content-Length: 2000000000"], 401),
                ("POST /v1/flush", ["Content-Length: 900000"], 401),
                ("POST /v1/nowhere", ["Content-Length: 900000"], 404),
                ("GET /health", ["Content-Length: 900000"], 413)):
            with self.subTest(line=line, fields=fields):
                answer = self.begin(line, *fields, body=b"x" * 1000)
                self.assertTrue(answer.startswith(f"HTTP/1.1 {status} "), answer)
                self.assertIn("Connection: close\r\n", answer)
        answer = self.begin("GET /metrics", "Transfer-Encoding: chunked", body=b"5\r\nabcde\r\n")
        self.assertTrue(answer.startswith("HTTP/1.1 413 "), answer)

    def test_an_agent_whose_key_is_unknown_is_told_so(self):
        log = self.work / "access.log"
        log.write_bytes(LINE % 1)
        agent = self.agent(self.shop, "w1", [log], key="tarn_ingest_0").start()
        harness.wait_for("the agent's complaint", lambda: "401" in agent.tail(50), 20)
        self.assertTrue(agent.running())


class Waiting(harness.Case):
    def test_a_flush_that_waits_keeps_nobody_waiting(self):
        shop = self.project(buffer_age="1h").start()
        stored = shop.request("POST", "/v1/agent/batches", agent_batch.encode(LINE % 1),
                              shop.ingest_key)
        self.assertEqual(stored.status, 200, stored.body)
        pid = shop.server.child.pid
        # No file can be made: the flush fails, and is tried again.
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        answers = []
        flushes = [threading.Thread(target=lambda: answers.append(shop.flush()), daemon=True)
                   for _ in range(3)]
        for flush in flushes:
            flush.start()
        harness.wait_for("the landing to fail", lambda: shop.get("/ready").status == 503)
        began = time.monotonic()
        self.assertEqual(shop.get("/v1/status", shop.admin_key).status, 200)
        self.assertEqual(shop.get("/health").status, 200)
        self.assertEqual(shop.get("/metrics").status, 200)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(answers, [])
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        for flush in flushes:
            flush.join(30)
        self.assertEqual([answer.status for answer in answers], [200] * 3)
        self.assertEqual(shop.sql("SELECT count(*) n FROM raw.web_log")[0]["n"], 1)


if __name__ == "__main__":
    harness.main()
