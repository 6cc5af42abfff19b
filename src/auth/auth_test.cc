#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include <set>

#include "auth/authenticator.h"
#include "auth/tls_settings.h"
#include "codec/hash.h"
#include "os/posix_file_system.h"

namespace tarn::auth {
namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = testing::TempDir() + "/tarn_auth_XXXXXX";
    TARN_CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() { static_cast<void>(files.RemoveRecursively(path_)); }
  std::string operator/(std::string_view name) const { return os::JoinPath(path_, name); }

  os::PosixFileSystem files;

 private:
  std::string path_;
};

std::string Base64(std::string_view text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

TEST(GenerateKey, NamesItsRoleAndIsLongAndNew) {
  os::SystemRandom random;
  std::set<std::string> keys;
  for (int i = 0; i < 100; ++i) {
    const std::string key = GenerateKey(Role::kIngest, random);
    EXPECT_TRUE(key.starts_with("tarn_ingest_"));
    EXPECT_EQ(key.size(), 12U + 32U);
    EXPECT_EQ(
        key.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 12),
        std::string::npos);
    keys.insert(key);
  }
  EXPECT_EQ(keys.size(), 100U);
}

TEST(GenerateKey, DrawsEveryDigitAsOften) {
  os::SeededRandom random(7);
  std::map<char, int> counts;
  constexpr int kKeys = 20'000;
  for (int i = 0; i < kKeys; ++i) {
    for (const char c : GenerateKey(Role::kAdmin, random).substr(11)) ++counts[c];
  }
  ASSERT_EQ(counts.size(), 62U);
  const double expected = kKeys * 32.0 / 62;
  for (const auto& [digit, count] : counts) EXPECT_NEAR(count, expected, expected * 0.06) << digit;
}

TEST(Principal, AllowsItsRoleAndAdminEverything) {
  const Principal admin{"root", Role::kAdmin, {}};
  const Principal reader{"ann", Role::kReader, {}};
  const Principal web{"web-1", Role::kIngest, {"web"}};
  const Principal any{"any", Role::kIngest, {}};
  EXPECT_TRUE(admin.Require(Role::kReader).ok());
  EXPECT_TRUE(admin.RequireSource("web").ok());
  EXPECT_TRUE(reader.Require(Role::kReader).ok());
  EXPECT_EQ(reader.Require(Role::kAdmin).error().code(), Code::kPermissionDenied);
  EXPECT_EQ(reader.RequireSource("web").error().code(), Code::kPermissionDenied);
  EXPECT_EQ(web.Require(Role::kReader).error().message(),
            "key 'web-1' has role ingest, this needs reader");
  EXPECT_TRUE(web.RequireSource("web").ok());
  EXPECT_EQ(web.RequireSource("webshop").error().code(), Code::kPermissionDenied);
  EXPECT_TRUE(any.RequireSource("anything").ok());
}

TEST(KeyRing, KeepsHashesOnlyAndReadsBackWhatItSaved) {
  TemporaryFolder folder;
  os::FileSystem& files = folder.files;
  const std::string path = folder / "keys.json";
  os::SystemRandom random;
  KeyRing ring;
  const auto admin = ring.Create({"root", Role::kAdmin, {}}, random);
  const auto web = ring.Create({"web-1", Role::kIngest, {"web", "shop"}}, random);
  ASSERT_TRUE(admin.ok() && web.ok());
  ASSERT_TRUE(ring.Save(files, path).ok());
  ASSERT_TRUE(ring.Save(files, path).ok());  // over the old one
  const auto text = files.ReadFile(path);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text->find(admin->substr(11)), std::string::npos);
  EXPECT_EQ(files.Stat(path)->mode, 0600U);

  const auto loaded = KeyRing::Load(files, path);
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  ASSERT_EQ(loaded->keys().size(), 2U);
  const KeyRing::Key& key = loaded->keys()[1];
  EXPECT_EQ(key.principal.name, "web-1");
  EXPECT_EQ(key.principal.role, Role::kIngest);
  EXPECT_EQ(key.principal.sources, (std::vector<std::string>{"web", "shop"}));
  EXPECT_EQ(key.hash, codec::Sha256(*web));
}

TEST(KeyRing, IsEmptyWithoutAFile) {
  TemporaryFolder folder;
  os::FileSystem& files = folder.files;
  const auto ring = KeyRing::Load(files, folder / "none.json");
  ASSERT_TRUE(ring.ok());
  EXPECT_TRUE(ring->keys().empty());
}

TEST(KeyRing, SaysWhatIsWrongWithAFileAndNeverTakesAPart) {
  TemporaryFolder folder;
  os::FileSystem& files = folder.files;
  const std::string path = folder / "keys.json";
  const std::string hash(64, 'a');
  const std::string good = R"({"name":"a","role":"admin","sha256":")" + hash + "\"}";
  for (const std::string& text : {
           std::string(""),
           std::string("{"),
           std::string(R"({"keys":[]})"),
           std::string(R"({"version":2,"keys":[]})"),
           std::string(R"({"version":1})"),
           R"({"version":1,"keys":[)" + good + R"(,{"name":"b"}]})",
           std::string(R"({"version":1,"keys":[{"name":"b","role":"admin","sha256":"aa"}]})"),
           R"({"version":1,"keys":[{"name":"b","role":"god","sha256":")" + hash + R"("}]})",
           R"({"version":1,"keys":[{"name":"b","role":"ingest","sources":[],"sha256":")" + hash +
               R"("}]})",
       }) {
    ASSERT_TRUE(files.WriteFileAtomically(path, text).ok());
    const auto ring = KeyRing::Load(files, path);
    ASSERT_FALSE(ring.ok()) << text;
    EXPECT_EQ(ring.error().code(), Code::kDataLoss);
    EXPECT_TRUE(ring.error().message().starts_with(path)) << ring.error().message();
  }
}

TEST(KeyRing, RefusesDoubleNamesBadNamesAndIdleSources) {
  os::SystemRandom random;
  KeyRing ring;
  ASSERT_TRUE(ring.Create({"web", Role::kIngest, {}}, random).ok());
  const auto code = [&](Principal principal) {
    return ring.Create(std::move(principal), random).error().code();
  };
  EXPECT_EQ(code({"web", Role::kReader, {}}), Code::kAlreadyExists);
  EXPECT_EQ(code({"", Role::kReader, {}}), Code::kInvalidArgument);
  EXPECT_EQ(code({"A b", Role::kReader, {}}), Code::kInvalidArgument);
  EXPECT_EQ(code({std::string(65, 'a'), Role::kReader, {}}), Code::kInvalidArgument);
  EXPECT_EQ(code({"r", Role::kReader, {"web"}}), Code::kInvalidArgument);
  EXPECT_EQ(ring.Revoke("other").error().code(), Code::kNotFound);
  EXPECT_TRUE(ring.Revoke("web").ok());
  EXPECT_TRUE(ring.keys().empty());
}

class AuthenticatorTest : public testing::Test {
 protected:
  os::SystemRandom random_;
  os::FakeClock clock_{Timestamp{0}};
  std::vector<FailureReport> reports_;
  KeyRing ring_;
  std::string key_ = *ring_.Create({"web-1", Role::kIngest, {"web"}}, random_);
  Authenticator authenticator_{ring_, clock_,
                               [this](const FailureReport& report) { reports_.push_back(report); }};
};

TEST_F(AuthenticatorTest, KnowsAKeyAsBearerAndAsPassword) {
  for (const std::string& header :
       {"Bearer " + key_, "bearer  " + key_, "BASIC " + Base64("anyone:" + key_),
        "Basic " + Base64(":" + key_)}) {
    const auto principal = authenticator_.Check(header, "peer");
    ASSERT_TRUE(principal.ok()) << header;
    EXPECT_EQ(principal->name, "web-1");
    EXPECT_EQ(principal->sources, std::vector<std::string>{"web"});
  }
  EXPECT_TRUE(reports_.empty());
}

TEST_F(AuthenticatorTest, RefusesEverythingElse) {
  EXPECT_EQ(authenticator_.Check(std::nullopt, "p").error().code(), Code::kUnauthenticated);
  std::string wrong = key_;
  wrong.back() = wrong.back() == 'a' ? 'b' : 'a';
  for (const std::string& header :
       {std::string(), std::string("Bearer"), std::string("Bearer "), key_, "Bearer" + key_,
        "Token " + key_, "Bearer " + wrong, "Bearer " + key_ + "x", "Bearer " + key_ + " ",
        std::string("Basic !!!"), "Basic " + Base64(key_), "Basic " + Base64(key_ + ":"),
        "Bearer " + std::string(100'000, 'x')}) {
    const auto principal = authenticator_.Check(header, "p");
    ASSERT_FALSE(principal.ok()) << header;
    EXPECT_EQ(principal.error().code(), Code::kUnauthenticated);
    EXPECT_EQ(principal.error().message().find(key_), std::string::npos);
  }
}

TEST_F(AuthenticatorTest, ForgetsARevokedKeyAtOnce) {
  ASSERT_TRUE(authenticator_.Check("Bearer " + key_, "p").ok());
  ASSERT_TRUE(ring_.Revoke("web-1").ok());
  authenticator_.Replace(ring_);
  EXPECT_FALSE(authenticator_.Check("Bearer " + key_, "p").ok());
}

TEST_F(AuthenticatorTest, ReportsFailuresOnceAMinute) {
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(authenticator_.Check("Bearer x", "10.0.0." + std::to_string(i % 7)).ok());
  }
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_EQ(reports_[0].failures, 1U);
  EXPECT_EQ(reports_[0].last_peer, "10.0.0.0");
  clock_.Advance(60'000'000);
  EXPECT_FALSE(authenticator_.Check(std::nullopt, "last").ok());
  ASSERT_EQ(reports_.size(), 2U);
  EXPECT_EQ(reports_[1].failures, 1000U);
  EXPECT_EQ(reports_[1].last_peer, "last");
}

class LoadTlsTest : public testing::Test {
 protected:
  struct Pair {
    std::string certificate;
    std::string key;
  };

  static std::string Text(BIO* bio) {
    const char* bytes = nullptr;
    const long size = BIO_ctrl(bio, BIO_CTRL_INFO, 0, &bytes);
    std::string out(bytes, static_cast<size_t>(size));
    BIO_free(bio);
    return out;
  }

  // Valid from 1970-01-02 to 1970-04-11.
  static Pair Make() {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    ASN1_TIME_set(X509_getm_notBefore(certificate), 86'400);
    ASN1_TIME_set(X509_getm_notAfter(certificate), 86'400 * 100);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    Pair pair;
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    pair.certificate = Text(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    pair.key = Text(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return pair;
  }

  void Write(const Pair& pair) {
    ASSERT_TRUE(
        folder_.files.WriteFileAtomically(settings_.certificate_file, pair.certificate).ok());
    ASSERT_TRUE(folder_.files.WritePrivateFileAtomically(settings_.key_file, pair.key).ok());
  }
  Result<TlsFiles> LoadOnDay(int64_t day) {
    LoadedTls loaded = LoadTls(folder_.files, settings_, {day * kMicrosPerDay});
    TARN_TRY(loaded.certificate);
    TARN_TRY(loaded.key);
    return std::move(loaded.files);
  }

  TemporaryFolder folder_;
  TlsSettings settings_{folder_ / "cert.pem", folder_ / "key.pem"};
};

TEST_F(LoadTlsTest, ReadsAPairAndWhenItExpires) {
  const Pair pair = Make();
  Write(pair);
  const auto loaded = LoadOnDay(50);
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  EXPECT_EQ(loaded->certificate_chain_pem, pair.certificate);
  EXPECT_EQ(loaded->private_key_pem, pair.key);
  EXPECT_EQ(loaded->not_after.micros, 100 * kMicrosPerDay);
  EXPECT_TRUE(loaded->warnings.empty());
}

TEST_F(LoadTlsTest, RefusesCertificatesOutOfTheirTime) {
  Write(Make());
  EXPECT_EQ(LoadOnDay(0).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(LoadOnDay(100).error().code(), Code::kInvalidArgument);
  EXPECT_NE(LoadOnDay(101).error().message().find("expired at 1970-04-11T00:00:00Z"),
            std::string::npos);
}

TEST_F(LoadTlsTest, WarnsOfReadableKeysAndNearExpiry) {
  Write(Make());
  EXPECT_EQ(LoadOnDay(85).value().warnings.size(), 0U);
  EXPECT_EQ(LoadOnDay(90).value().warnings.size(), 1U);
  const std::string key = *folder_.files.ReadFile(settings_.key_file);
  // Written the usual way it is readable by the group.
  ASSERT_TRUE(folder_.files.WriteFileAtomically(settings_.key_file, key).ok());
  ASSERT_NE(folder_.files.Stat(settings_.key_file)->mode, 0600U);
  const auto loaded = LoadOnDay(50);
  ASSERT_TRUE(loaded.ok());
  ASSERT_EQ(loaded->warnings.size(), 1U);
  EXPECT_NE(loaded->warnings[0].find("chmod 600"), std::string::npos);
}

TEST_F(LoadTlsTest, NamesTheFileThatIsWrong) {
  const Pair pair = Make();
  const auto message = [&](const Pair& written) {
    Write(written);
    const auto loaded = LoadOnDay(50);
    EXPECT_EQ(loaded.error().code(), Code::kInvalidArgument);
    return loaded.error().message();
  };
  EXPECT_TRUE(message({"no pem", pair.key}).starts_with(settings_.certificate_file));
  EXPECT_TRUE(message({pair.certificate, "no pem"}).starts_with(settings_.key_file));
  EXPECT_TRUE(message({pair.certificate, Make().key}).starts_with(settings_.key_file));
  EXPECT_TRUE(
      message({pair.certificate, std::string(2 << 20, 'x')}).starts_with(settings_.key_file));
  settings_.key_file = folder_ / "absent.pem";
  EXPECT_EQ(LoadOnDay(50).error().code(), Code::kNotFound);
  settings_.key_file.clear();
  EXPECT_EQ(LoadOnDay(50).error().code(), Code::kInvalidArgument);
}

TEST_F(LoadTlsTest, SaysOfEachFileWhatIsWrong) {
  const LoadedTls absent = LoadTls(folder_.files, settings_, {});
  EXPECT_EQ(absent.certificate.error().code(), Code::kNotFound);
  EXPECT_EQ(absent.key.error().code(), Code::kNotFound);
  const Pair pair = Make();
  Write({pair.certificate, Make().key});
  const LoadedTls strangers = LoadTls(folder_.files, settings_, {101 * kMicrosPerDay});
  EXPECT_NE(strangers.certificate.error().message().find("expired"), std::string::npos);
  EXPECT_NE(strangers.key.error().message().find("is not the key"), std::string::npos);
}

}  // namespace
}  // namespace tarn::auth
