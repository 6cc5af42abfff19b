#!/usr/bin/env python3
"""LogFormat lines as a real httpd writes them, mod_ssl's directives and each letter of strftime
included: given to `tarn parse` as they stand in its configuration, they read every line of its log."""
import datetime
import json
import shutil
import ssl
import subprocess
import unittest
import urllib.request

import harness

APACHE = shutil.which("apache2", path="/usr/sbin:/usr/bin")
MODULES = "/usr/lib/apache2/modules"
LETTERS = "aAbBCdDeFgGhHIjklmMpPrRsSTuUVwWxXyYzZ%"
MODIFIED = ["Ec", "EC", "Ex", "EX", "Ey", "EY", "Od", "Oe", "OH", "OI", "Om", "OM", "OS", "Ou", "OU",
            "OV", "Ow", "OW", "Oy", "-d", "_H", "^a", "^B", "0e", "#Z", "-m", "-k"]
# What each format says behind the time of the request in seconds, which all begin with.
FORMATS = {
    "ssl": '%{SSL_PROTOCOL}x %{SSL_CIPHER}x \\"%{SSL_SERVER_S_DN}x\\" %{HTTPS}x %{version}c %{cipher}c '
           '%{subjectdn}c %{issuerdn}c %{errcode}c %{errstr}c %{NO_SUCH}x',
    "trailers": '\\"%{X-Sum}^ti\\" \\"%{X-Sum}^to\\"',
    "letters": "[%{" + "|".join(f"%{letter}" for letter in LETTERS) + "}t]",
    "modified": "[%{end:" + "|".join(f"%{letter}" for letter in MODIFIED) + "}t]",
    "each": " ".join(f"[%{{%{letter}}}t]" for letter in LETTERS),
    "whole": "%{end:%FT%T%z}t %{begin:usec_frac}t",
    "week": "%{end:%G-W%V-%u %k:%M:%S %z}t",
    "twelve": "%{end:%x %l:%M:%S %P %z}t",
    "usual": "%{begin}t %{end}t %{end:}t",
    "all": '%a %A %B %b %D %f %h %H %{c}h %k %l %L %m %p %{local}p %{remote}p %P %{tid}P %{hextid}P '
           '\\"%q\\" \\"%r\\" %R %s %>s %t %T %{ms}T %u \\"%U%q\\" %v %V %X %I %O %S %^FB',
}
CONFIG = """ServerRoot "{0}"
PidFile "{0}/pid"
DefaultRuntimeDir "{0}/run"
Mutex "file:{0}/run" default
ServerName localhost
{1}Listen 127.0.0.1:{2}
Listen 127.0.0.1:{3} https
ErrorLog "{0}/error.log"
DocumentRoot "{0}/docs"
<Directory "{0}/docs">
Require all granted
</Directory>
<VirtualHost *:{3}>
SSLEngine on
SSLCertificateFile "{0}/cert.pem"
SSLCertificateKeyFile "{0}/key.pem"
</VirtualHost>
"""


@unittest.skipIf(APACHE is None, "no Apache httpd here (package apache2-bin)")
class LogFormat(harness.Case):
    def setUp(self):
        super().setUp()
        self.work.chmod(0o755)
        for folder in ("run", "docs"):
            (self.work / folder).mkdir()
        (self.work / "docs" / "index.html").write_text("hello")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", '/CN=localhost/O=Shop, "Best"',
                        "-days", "2", "-keyout", self.work / "key.pem", "-out",
                        self.work / "cert.pem"], capture_output=True, check=True)
        self.ports = harness.free_port(), harness.free_port()
        self.lines = {name: f'LogFormat "%{{sec}}t {format}" {name}'
                      for name, format in FORMATS.items()}
        modules = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n"
                          for name in ("mpm_event", "authz_core", "dir", "ssl", "socache_shmcb"))
        (self.work / "httpd.conf").write_text(
            CONFIG.format(self.work, modules, *self.ports)
            + "".join(f"{line}\nCustomLog \"{self.work}/{name}.log\" {name}\n"
                      for name, line in self.lines.items()))
        server = harness.Process([APACHE, "-f", str(self.work / "httpd.conf"), "-D", "FOREGROUND"],
                                 self.work / "httpd.out")
        server.start()
        self.addCleanup(server.stop)  # its children outlive a kill -9
        for scheme, port in zip(("http", "https"), self.ports):
            harness.wait_for("the page", lambda url=f"{scheme}://127.0.0.1:{port}/?a=b": self.get(url))

    def get(self, url):
        anyone = ssl.create_default_context()
        anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(url, context=anyone, timeout=10) as answer:
                return answer.read() == b"hello"
        except OSError:
            return False

    def read(self, name):
        """Of each line what is read of it, and when it was written."""
        log = self.work / f"{name}.log"
        harness.wait_for("both lines", lambda: log.read_text().count("\n") >= 2)
        done = harness.tarn("parse", "--format", self.lines[name], log)
        self.assertEqual((done.returncode, done.stderr), (0, ""), log.read_text())
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        seconds = [int(line.split()[0]) for line in log.read_text().splitlines()]
        self.assertEqual(len(rows), len(seconds))
        return list(zip(rows, [datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
                               for second in seconds]))

    def test_every_line_of_every_format_is_read(self):
        for name in FORMATS:
            for row, written in self.read(name):
                self.assertEqual(row["time"][:19], written.isoformat()[:19], (name, row))
        for row, _ in self.read("ssl")[-1:]:
            self.assertRegex(row["ssl_protocol"], "^TLSv1")
            self.assertIn("_", row["ssl_cipher"])
            self.assertEqual(row["ssl_https"], "on")
            self.assertIn('"Best', row["ssl_server_s_dn"])
        for name in ("whole", "week", "twelve", "usual", "modified"):
            for row, written in self.read(name):
                end = datetime.datetime.fromisoformat(row["end_time"].replace("Z", "+00:00"))
                away = abs((end - written).total_seconds())
                # It has no offset: what is local time is read as UTC.
                self.assertLess(away, 14 * 3600 if name == "modified" else 5, (name, row))
        self.assertEqual({row["path"] for row, _ in self.read("all")}, {"/index.html"})

    def test_the_names_of_a_custom_log_line(self):
        log = self.work / "access.log"
        log.write_text('::1 - - [30/Nov/2026:03:46:53 +0100] "GET / HTTP/1.1" 200 5\n')
        done = harness.tarn("parse", "--format", f'CustomLog "{log}" common', log)
        self.assertEqual((done.returncode, done.stderr, done.stdout.count("\n")), (0, "", 1))
        done = harness.tarn("parse", "--format", f"CustomLog {log} shop", log)
        self.assertEqual(done.returncode, 2)
        self.assertIn("names the format 'shop'; give the LogFormat line of that name", done.stderr)


if __name__ == "__main__":
    harness.main()
