#include "http/client.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "http/test_server.h"
#include "http/tls.h"

namespace tarn::http {
namespace {

ClientOptions OptionsFor(uint16_t port) {
  ClientOptions options;
  options.port = port;
  return options;
}

TEST(Client, SendsAndReceivesOverOneConnection) {
  TestServer server;
  Client client(OptionsFor(server.port()));
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.Send({Method::kPost, "/echo", "text/plain", "body", {}});
    ASSERT_TRUE(answer.ok()) << answer.error().ToString();
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "body");
    EXPECT_EQ(answer->content_type, "text/plain");
  }
  const auto missing = client.Send({Method::kGet, "/nowhere", "", "", {}});
  ASSERT_TRUE(missing.ok());
  EXPECT_EQ(missing->status, 404);
  EXPECT_NE(server.metrics.Print().find("tarn_http_connections 1\n"), std::string::npos);
}

TEST(Client, SendsItsAuthorizationAndHeaders) {
  TestServer server;
  ClientOptions options = OptionsFor(server.port());
  options.authorization = "Bearer key";
  Client client(options);
  std::optional<Result<Response>> answer;
  os::Thread asking("ask", [&] {
    ClientRequest request{Method::kPost, "/hold?a=1", "", "x", {}};
    request.headers.Add("X-Batch", "7\r\nEvil: 1");
    answer = client.Send(request);
  });
  auto held = server.NextHeld();
  EXPECT_EQ(held.request.headers.Find("authorization"), "Bearer key");
  EXPECT_EQ(held.request.headers.Find("x-batch"), "7  Evil: 1");
  EXPECT_EQ(held.request.QueryParam("a"), "1");
  std::move(held.responder).Send(TestServer::Text("x"));
  asking.Join();
  EXPECT_TRUE(answer->ok());
}

TEST(Client, UnderstandsHead) {
  TestServer server;
  Client client(OptionsFor(server.port()));
  for (int i = 0; i < 2; ++i) {
    const auto answer = client.Send({Method::kHead, "/hello", "", "", {}});
    ASSERT_TRUE(answer.ok()) << answer.error().ToString();
    EXPECT_EQ(answer->body, "");
  }
}

TEST(Client, ReplacesAKeptConnectionTheServerClosed) {
  TestServer server;
  Client client(OptionsFor(server.port()));
  ASSERT_TRUE(client.Send({Method::kGet, "/hello", "", "", {}}).ok());
  server.clock.Advance(61'000'000);
  // The server notices within a turn; a fresh connection shows when it has.
  while (server.metrics.Print().find("tarn_http_connections 0\n") == std::string::npos)
    std::this_thread::yield();
  const auto answer = client.Send({Method::kPost, "/echo", "", "again", {}});
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(answer->body, "again");
}

TEST(Client, ReadsTheRefusalOfABodyItCouldNotSend) {
  TestServer server;
  Client client(OptionsFor(server.port()));
  const auto answer = client.Send({Method::kPost, "/echo", "", std::string(9'000'000, 'x'), {}});
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(answer->status, 413);
}

TEST(Client, BoundsWhatItKeeps) {
  TestServer server;
  ClientOptions options = OptionsFor(server.port());
  options.max_response_bytes = 5;
  Client client(options);
  const auto answer = client.Send({Method::kGet, "/hello", "", "", {}});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kResourceExhausted);
}

TEST(Client, StreamsAnyLengthToItsSink) {
  TestServer server;
  ClientOptions options = OptionsFor(server.port());
  options.max_response_bytes = 5;
  os::Thread producer("produce", [&] {
    auto stream = std::move(server.NextHeld().responder).Stream(TestServer::Text(""));
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(stream.Write(std::string(10'000, 'x')).ok());
    EXPECT_TRUE(stream.Finish().ok());
  });
  Client client(options);
  size_t total = 0;
  const auto answer =
      client.SendStreaming({Method::kGet, "/hold", "", "", {}}, [&](std::string_view bytes) {
        total += bytes.size();
        return Status();
      });
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(total, 1'000'000U);
  EXPECT_TRUE(client.Send({Method::kGet, "/under/", "", "", {}}).error().code() ==
              Code::kResourceExhausted);
}

TEST(Client, TellsABodyCutShort) {
  TestServer server;
  os::Thread producer("produce", [&] {
    auto stream = std::move(server.NextHeld().responder).Stream(TestServer::Text("part"));
    EXPECT_TRUE(stream.Write("more").ok());
  });
  Client client(OptionsFor(server.port()));
  const auto answer = client.Send({Method::kGet, "/hold", "", "", {}});
  ASSERT_FALSE(answer.ok());
  EXPECT_TRUE(answer.error().code() == Code::kDataLoss ||
              answer.error().code() == Code::kUnavailable)
      << answer.error().ToString();
}

TEST(Client, EndsWithTheErrorOfItsSink) {
  TestServer server;
  Client client(OptionsFor(server.port()));
  const auto answer =
      client.SendStreaming({Method::kGet, "/hello", "", "", {}},
                           [](std::string_view) -> Status { return Cancelled("enough"); });
  EXPECT_EQ(answer.error().code(), Code::kCancelled);
  EXPECT_TRUE(client.Send({Method::kGet, "/hello", "", "", {}}).ok());
}

TEST(Client, TellsWhatItCannotReach) {
  uint16_t port = 0;
  {
    const auto listener = Listen("127.0.0.1", 0);
    port = LocalPort(listener->get());
  }
  Client client(OptionsFor(port));
  EXPECT_EQ(client.Send({}).error().code(), Code::kUnavailable);
}

TEST(Client, GivesUpOnASilentServer) {
  const auto listener = Listen("127.0.0.1", 0);
  ClientOptions options = OptionsFor(LocalPort(listener->get()));
  options.io_timeout_micros = 10'000;
  Client client(options);
  EXPECT_EQ(client.Send({}).error().code(), Code::kDeadlineExceeded);
}

TEST(Client, RefusesWhatIsNoHttp) {
  const auto listener = Listen("127.0.0.1", 0);
  os::Thread serving("serve", [&] {
    WaitFor(listener->get(), POLLIN, kPatienceMicros);
    const Descriptor socket(accept(listener->get(), nullptr, nullptr));
    SendSome(socket.get(), "SSH-2.0-OpenSSH_9.2\r\n");
  });
  Client client(OptionsFor(LocalPort(listener->get())));
  EXPECT_EQ(client.Send({}).error().code(), Code::kDataLoss);
}

TEST(ParseEndpoint, ReadsHostPortAndScheme) {
  const auto plain = ParseEndpoint("http://127.0.0.1:8080/");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->host, "127.0.0.1");
  EXPECT_EQ(plain->port, 8080);
  EXPECT_FALSE(plain->tls);
  const auto secure = ParseEndpoint("https://tarn.example");
  ASSERT_TRUE(secure.ok());
  EXPECT_EQ(secure->port, 443);
  EXPECT_TRUE(secure->tls);
  EXPECT_EQ(ParseEndpoint("http://[::1]:90")->host, "::1");
  EXPECT_EQ(ParseEndpoint("http://[::1]")->port, 80);
  for (const auto* bad : {"", "127.0.0.1:80", "ftp://x", "http://", "http://x:0", "http://x:70000",
                          "http://x:a", "http://x/path", "http://u@x", "http://[::1"}) {
    EXPECT_EQ(ParseEndpoint(bad).error().code(), Code::kInvalidArgument) << bad;
  }
}

// A certificate for one name or address, signed by itself.
ServerTls MakeCertificate(const std::string& alternative_name) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  const unsigned char common_name[] = "tarn test";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  for (const auto& [kind, value] : {std::pair(NID_subject_alt_name, alternative_name.c_str()),
                                    std::pair(NID_basic_constraints, "critical,CA:TRUE")}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(certificate, key, EVP_sha256());

  const auto text = [](BIO* bio) {
    const char* bytes = nullptr;
    const long size = BIO_ctrl(bio, BIO_CTRL_INFO, 0, &bytes);
    std::string out(bytes, static_cast<size_t>(size));
    BIO_free(bio);
    return out;
  };
  ServerTls tls;
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  tls.certificate_chain_pem = text(bio);
  bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  tls.private_key_pem = text(bio);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return tls;
}

ClientOptions SecureOptionsFor(uint16_t port, const std::string& ca_pem) {
  ClientOptions options = OptionsFor(port);
  options.tls = ClientTls{ca_pem, {}};
  return options;
}

TEST(Tls, CarriesRequestsOfAnySize) {
  const ServerTls tls = MakeCertificate("IP:127.0.0.1");
  TestServer server({.tls = tls});
  Client client(SecureOptionsFor(server.port(), tls.certificate_chain_pem));
  for (int i = 0; i < 2; ++i) {
    const auto answer = client.Send({Method::kPost, "/echo", "", std::string(1000, 'x'), {}});
    ASSERT_TRUE(answer.ok()) << answer.error().ToString();
    EXPECT_EQ(answer->body, std::string(1000, 'x'));
  }
  os::Thread producer("produce", [&] {
    auto held = server.NextHeld();
    EXPECT_TRUE(held.request.tls);
    EXPECT_EQ(held.request.body.size(), 500'000U);
    auto stream = std::move(held.responder).Stream(TestServer::Text(""));
    for (int i = 0; i < 300; ++i) EXPECT_TRUE(stream.Write(std::string(10'000, 'y')).ok());
    EXPECT_TRUE(stream.Finish().ok());
  });
  const auto answer = client.Send({Method::kPost, "/hold", "", std::string(500'000, 'x'), {}});
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(answer->body, std::string(3'000'000, 'y'));
}

TEST(Tls, KeepsPipelinedRequestsThatWereDecryptedAhead) {
  const ServerTls tls = MakeCertificate("IP:127.0.0.1");
  TestServer server({.tls = tls, .limits = {.max_pipelined = 1}});
  const auto context = TlsContext::ForClient(tls.certificate_chain_pem);
  const auto socket = Connect("127.0.0.1", server.port(), kPatienceMicros);
  ASSERT_TRUE(context.ok() && socket.ok());
  const auto stream = TlsStream::Connect(**context, socket->get(), "127.0.0.1");
  ASSERT_TRUE(stream.ok());
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += "GET /hello HTTP/1.1\r\nHost: x\r\nA: 12345\r\n\r\n";
  requests += "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  while (!requests.empty()) {
    const IoOutcome outcome = (*stream)->Write(requests);
    ASSERT_NE(outcome.kind, IoOutcome::Kind::kBroken) << (*stream)->last_error();
    requests.erase(0, outcome.bytes);
  }
  std::string answers;
  char buffer[4096];
  for (;;) {
    const IoOutcome outcome = (*stream)->Read(buffer, sizeof(buffer));
    answers.append(buffer, outcome.bytes);
    if (outcome.kind == IoOutcome::Kind::kWouldBlock)
      ASSERT_TRUE(WaitFor(socket->get(), POLLIN, kPatienceMicros));
    else if (outcome.kind != IoOutcome::Kind::kBytes)
      break;
  }
  size_t count = 0;
  for (size_t at = 0; (at = answers.find("hello\n", at)) != std::string::npos; ++at) ++count;
  EXPECT_EQ(count, 201U);
}

TEST(Tls, ClientRefusesACertificateItDoesNotTrust) {
  TestServer server({.tls = MakeCertificate("IP:127.0.0.1")});
  Client stranger(
      SecureOptionsFor(server.port(), MakeCertificate("IP:127.0.0.1").certificate_chain_pem));
  const auto answer = stranger.Send({Method::kGet, "/hello", "", "", {}});
  EXPECT_EQ(answer.error().code(), Code::kUnauthenticated) << answer.error().ToString();
  Client system(SecureOptionsFor(server.port(), ""));
  EXPECT_EQ(system.Send({}).error().code(), Code::kUnauthenticated);
}

TEST(Tls, ClientRefusesACertificateOfAnotherName) {
  const ServerTls tls = MakeCertificate("DNS:elsewhere.example");
  TestServer server({.tls = tls});
  Client client(SecureOptionsFor(server.port(), tls.certificate_chain_pem));
  EXPECT_EQ(client.Send({}).error().code(), Code::kUnauthenticated);
}

std::string FingerprintOf(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  std::string digest(32, '\0');
  unsigned int size = 0;
  X509_digest(certificate, EVP_sha256(), reinterpret_cast<unsigned char*>(digest.data()), &size);
  X509_free(certificate);
  BIO_free(bio);
  return digest;
}

TEST(Tls, APinnedCertificateIsTrustedForItselfAlone) {
  const ServerTls tls = MakeCertificate("DNS:elsewhere.example");
  TestServer server({.tls = tls});
  ClientOptions options = OptionsFor(server.port());
  options.tls = ClientTls{{}, FingerprintOf(tls.certificate_chain_pem)};
  Client client(options);
  const auto answer = client.Send({.target = "/hello"});
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(answer->body, "hello\n");
  // The same names, another certificate.
  TestServer impostor({.tls = MakeCertificate("DNS:elsewhere.example")});
  options.port = impostor.port();
  EXPECT_EQ(Client(options).Send({.target = "/hello"}).error().code(), Code::kUnauthenticated);
}

// `leaf` signed by a new authority, which is answered.
std::string SignByAuthority(const std::string& alternative_name, ServerTls* leaf) {
  const ServerTls authority = MakeCertificate("DNS:authority.example");
  *leaf = MakeCertificate(alternative_name);
  const auto memory = [](const std::string& text) {
    return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  };
  BIO* bio = memory(authority.private_key_pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  bio = memory(leaf->certificate_chain_pem);
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  // Names alike would make it look self-signed.
  X509_NAME* name = X509_NAME_new();
  const unsigned char common_name[] = "tarn server";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0);
  X509_set_subject_name(certificate, name);
  X509_NAME_free(name);
  X509_sign(certificate, key, EVP_sha256());
  bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  const char* bytes = nullptr;
  const long size = BIO_ctrl(bio, BIO_CTRL_INFO, 0, &bytes);
  leaf->certificate_chain_pem.assign(bytes, static_cast<size_t>(size));
  BIO_free(bio);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return authority.certificate_chain_pem;
}

TEST(Tls, TrustsAnAuthorityAndAServersOwnCertificate) {
  ServerTls tls;
  const std::string authority = SignByAuthority("IP:127.0.0.1", &tls);
  TestServer server({.tls = tls});
  for (const std::string& trusted : {authority, tls.certificate_chain_pem}) {
    const auto answer = Client(SecureOptionsFor(server.port(), trusted)).Send({.target = "/hello"});
    EXPECT_TRUE(answer.ok()) << answer.error().ToString();
  }
}

TEST(Tls, ClientTellsThatTheServerSpeaksNone) {
  TestServer server;
  Client client(SecureOptionsFor(server.port(), ""));
  const auto answer = client.Send({.target = "/hello"});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kUnavailable);
  EXPECT_NE(answer.error().message().find("does not speak TLS"), std::string::npos)
      << answer.error().message();
}

TEST(Tls, ServerRefusesPlainTextAndOldVersions) {
  TestServer server({.tls = MakeCertificate("IP:127.0.0.1")});
  for (const std::string method : {"GET", "POST"}) {
    RawClient plain(server.port());
    const std::string answer = plain.Exchange(method + " /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
    EXPECT_NE(answer.find("use https://"), std::string::npos);
  }
  RawClient nonsense(server.port());
  EXPECT_EQ(nonsense.Exchange("hello\r\n\r\n").find("HTTP"), std::string::npos);
  // A ClientHello of TLS 1.1, cipher suite 0x002F.
  std::string hello("\x16\x03\x01\x00\x2D\x01\x00\x00\x29\x03\x02", 11);
  hello += std::string(32, 'r') + std::string("\x00\x00\x02\x00\x2F\x01\x00", 7);
  RawClient old(server.port());
  const std::string alert = old.Exchange(hello);
  ASSERT_GE(alert.size(), 7U);
  EXPECT_EQ(alert[0], '\x15');  // an alert:
  EXPECT_EQ(alert[6], '\x46');  // protocol_version
}

TEST(Tls, CreateRefusesForeignKeysAndBrokenPem) {
  const os::SystemClock clock;
  obs::Registry metrics;
  ServerTls mixed = MakeCertificate("IP:127.0.0.1");
  mixed.private_key_pem = MakeCertificate("IP:127.0.0.1").private_key_pem;
  EXPECT_EQ(Server::Create({.tls = mixed}, {}, clock, metrics).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(Server::Create({.tls = ServerTls{"x", "y"}}, {}, clock, metrics).error().code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace tarn::http
