#!/usr/bin/env python3
"""TLS from one end to the other, with certificates made here by the openssl program: agents, commands
and monitoring against the door, and what each is told when the certificate is not one to trust."""
import fcntl
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import harness

LINE = '192.0.2.1 - - [24/Nov/2026:13:00:00 +0000] "GET /%d HTTP/1.1" 200 5 "-" "-"\n'


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr


class Authority:
    """Signs certificates of servers."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        folder.mkdir(exist_ok=True)
        self.key, self.certificate = folder / f"{name}.key", folder / f"{name}.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-days", "2", "-keyout", self.key, "-out",
                self.certificate)

    def sign(self, name, alternative="IP:127.0.0.1", begins="now", ends="in a day"):
        """The files of a certificate and its key."""
        key, request, out = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                f"/CN={name}", "-keyout", key, "-out", request)
        key.chmod(0o600)
        times = {"now": time.time() - 60, "in a day": time.time() + 86400}
        stamps = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(times.get(t, t)))
                  for t in (begins, ends)]
        database = self.folder / f"{name}.db"
        database.write_text("")
        config = self.folder / f"{name}.cnf"
        config.write_text(
            "[ca]\ndefault_ca = own\n[own]\n"
            f"database = {database}\nnew_certs_dir = {self.folder}\nrand_serial = yes\n"
            "default_md = sha256\npolicy = any\nx509_extensions = server\nunique_subject = no\n"
            "[any]\ncommonName = supplied\n"
            f"[server]\nsubjectAltName = {alternative}\nbasicConstraints = CA:FALSE\n")
        openssl("ca", "-batch", "-config", config, "-cert", self.certificate, "-keyfile", self.key,
                "-in", request, "-out", out, "-notext", "-startdate", stamps[0], "-enddate",
                stamps[1])
        return out, key


class Tls(harness.Case):
    def setUp(self):
        if shutil.which("openssl") is None:
            self.skipTest("no openssl program")
        super().setUp()
        self.authority = Authority(self.work / "pki", "authority")
        self.log = self.work / "access.log"
        self.log.write_text("".join(LINE % n for n in range(100)))

    def secure_project(self, certificate, key):
        shop = self.project()
        text = (shop.folder / "tarn.yaml").read_text()
        (shop.folder / "tarn.yaml").write_text(text.replace(
            f"  port: {shop.port}\n",
            f"  port: {shop.port}\n  tls:\n    certificate: {certificate}\n    key: {key}\n"))
        return shop

    def start(self, shop):
        before = shop.server.tail(1000).count("server.ready")
        shop.server.start()
        harness.wait_for("the server to be ready",
                         lambda: shop.server.tail(1000).count("server.ready") > before, 60)

    def agent_of(self, shop, name, ca, host="127.0.0.1", **settings):
        agent = self.agent(shop, name, [self.log], tls_ca=ca, **settings)
        path = shop.agents_folder / name / "agent.yaml"
        path.write_text(path.read_text().replace(f"http://127.0.0.1:{shop.port}",
                                                 f"https://{host}:{shop.port}"))
        return agent

    def get(self, shop, path, ca):
        context = ssl.create_default_context(cafile=str(ca))
        with urllib.request.urlopen(f"https://127.0.0.1:{shop.port}{path}", context=context,
                                    timeout=20) as answer:
            return answer.status

    def rows(self, shop):
        done = harness.tarn("sql", "--fresh", shop.folder, "SELECT count(*) n FROM raw.web_log",
                            "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["n"]

    def check_commands(self, shop):
        status = harness.tarn("status", shop.folder)
        self.assertEqual(status.returncode, 0, status.stderr)
        self.assertIn(f"at https://127.0.0.1:{shop.port}", status.stdout)

    def test_a_certificate_of_an_authority(self):
        shop = self.secure_project(*self.authority.sign("server"))
        self.start(shop)
        self.agent_of(shop, "w1", self.authority.certificate).start()
        harness.wait_for("the lines", lambda: self.rows(shop) == 100, 30)
        self.check_commands(shop)
        self.assertEqual(self.get(shop, "/ready", self.authority.certificate), 200)

    def test_a_certificate_for_another_name_serves_the_commands_of_this_machine(self):
        shop = self.secure_project(*self.authority.sign("server", "DNS:tarn.example"))
        self.start(shop)
        self.check_commands(shop)
        agent = self.agent_of(shop, "w1", self.authority.certificate).start()
        harness.wait_for("the agent's complaint", lambda: "mismatch" in agent.tail(50), 20)
        self.assertEqual(self.rows(shop), 0)

    def test_a_certificate_that_signed_itself(self):
        certificate, key = self.work / "own.pem", self.work / "own.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", "/CN=own", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "30",
                "-keyout", key, "-out", certificate)
        key.chmod(0o600)
        shop = self.secure_project(certificate, key)
        self.start(shop)
        self.agent_of(shop, "w1", certificate).start()
        harness.wait_for("the lines", lambda: self.rows(shop) == 100, 30)
        self.check_commands(shop)

    def test_commands_go_on_when_the_certificate_was_renewed_and_the_server_not_restarted(self):
        certificate, key = self.authority.sign("server")
        shop = self.secure_project(certificate, key)
        self.start(shop)
        new_certificate, new_key = self.authority.sign("renewed")
        certificate.write_bytes(new_certificate.read_bytes())
        key.write_bytes(new_key.read_bytes())
        self.check_commands(shop)
        self.assertEqual(shop.server.stop(), 0)
        self.start(shop)
        self.check_commands(shop)

    def test_an_agent_refuses_what_its_authority_did_not_sign(self):
        shop = self.secure_project(*self.authority.sign("server"))
        self.start(shop)
        other = Authority(self.work / "other", "somebody else")
        agent = self.agent_of(shop, "w1", other.certificate).start()
        harness.wait_for("the agent's complaint", lambda: "is refused" in agent.tail(50), 20)
        self.assertIn("certificate of 127.0.0.1 is refused: ", agent.tail(50))
        self.assertTrue(agent.running())
        self.assertEqual(self.rows(shop), 0)
        agent.stop()
        missing = self.agent_of(shop, "w2", self.work / "nowhere.pem").start()
        self.assertNotEqual(missing.wait(), 0)
        self.assertIn("nowhere.pem", missing.tail())

    def test_plain_http_is_told_to_speak_tls(self):
        shop = self.secure_project(*self.authority.sign("server"))
        self.start(shop)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{shop.port}/health", timeout=20)
        self.assertEqual(refused.exception.code, 400)
        self.assertIn(b"use https://", refused.exception.read())
        agent = self.agent(shop, "w1", [self.log]).start()
        harness.wait_for("the agent's complaint", lambda: "https://" in agent.tail(50), 20)

    def test_tls_to_a_plain_port_is_told_so(self):
        shop = self.project().start()
        agent = self.agent_of(shop, "w1", self.authority.certificate).start()
        harness.wait_for("the agent's complaint",
                         lambda: "does not speak TLS" in agent.tail(50), 20)

    def test_an_expired_certificate_is_told_at_both_ends(self):
        hour = 3600
        old = self.authority.sign("old", begins=time.time() - 2 * hour, ends=time.time() - hour)
        early = self.authority.sign("early", begins=time.time() + hour,
                                    ends=time.time() + 2 * hour)
        shop = self.secure_project(*old)
        shop.server.start()
        self.assertEqual(shop.server.wait(), 2)
        self.assertIn("old.pem: the certificate expired at ", shop.server.tail())
        text = (shop.folder / "tarn.yaml").read_text()
        (shop.folder / "tarn.yaml").write_text(
            text.replace(str(old[0]), str(early[0])).replace(str(old[1]), str(early[1])))
        shop.server.start()
        self.assertEqual(shop.server.wait(), 2)
        self.assertIn("valid only from", shop.server.tail())
        # A server that runs on until its certificate is over.
        brief = self.authority.sign("brief", ends=time.time() + 15)
        text = (shop.folder / "tarn.yaml").read_text()
        (shop.folder / "tarn.yaml").write_text(
            text.replace(str(early[0]), str(brief[0])).replace(str(early[1]), str(brief[1])))
        self.start(shop)
        self.assertIn("the certificate expires at", shop.server.tail(50))
        agent = self.agent_of(shop, "w1", self.authority.certificate)
        end = time.monotonic() + 16
        harness.wait_for("the certificate's end", lambda: time.monotonic() > end, 30)
        agent.start()
        harness.wait_for("the agent's complaint",
                         lambda: "certificate has expired" in agent.tail(50), 20)
        self.check_commands(shop)


class LostServer(harness.Case):
    """What a command says of a server that is there, and does not answer."""

    def setUp(self):
        super().setUp()
        self.shop = self.project()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        state = self.shop.folder / "state"
        self.lock = open(state / "server.lock", "w")
        self.addCleanup(self.lock.close)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        port = self.listener.getsockname()[1]
        (state / "server.json").write_text(
            json.dumps({"pid": 1, "url": f"http://127.0.0.1:{port}"}))

    def test_one_that_went_away(self):
        def close_first():
            client, _ = self.listener.accept()
            client.recv(65536)
            client.close()
        closing = threading.Thread(target=close_first, daemon=True)
        closing.start()
        done = harness.tarn("status", self.shop.folder)
        self.assertEqual(done.returncode, 9, done.stderr)
        self.assertIn("gave no answer", done.stderr)
        self.assertNotIn("no server runs", done.stderr)
        closing.join()

    def test_one_that_cannot_be_reached(self):
        self.listener.close()
        done = harness.tarn("status", self.shop.folder)
        self.assertEqual(done.returncode, 9, done.stderr)
        self.assertIn("gave no answer", done.stderr)

    def test_one_that_says_nothing(self):
        done = harness.tarn("status", self.shop.folder)
        self.assertEqual(done.returncode, 10, done.stderr)
        self.assertIn("gave no answer", done.stderr)

    def test_one_that_does_not_run(self):
        self.lock.close()
        done = harness.tarn("status", self.shop.folder)
        self.assertEqual(done.returncode, 3, done.stderr)

    def test_one_that_nobody_can_find(self):
        path = self.shop.folder / "state/server.json"
        for content in (b"", b"{", b"[]", b'{"pid":1}', b'{"pid":1,"url":"x"}', bytes(100)):
            path.write_bytes(content)
            for words in (("status", self.shop.folder), ("status", self.shop.folder, "--json"),
                          ("sql", self.shop.folder, "--fresh", "SELECT 1")):
                done = harness.tarn(*words)
                self.assertEqual(done.returncode, 9, f"{content} {words}: {done.stderr}")
                self.assertIn(str(path), done.stderr)
                self.assertIn("start it again", done.stderr)
        self.lock.close()  # what a server left that does not run
        for words in (("status", self.shop.folder),
                      ("sql", self.shop.folder, "--fresh", "SELECT 1")):
            done = harness.tarn(*words)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertNotIn("JSON", done.stderr)


if __name__ == "__main__":
    harness.main()
