#include "cli/store_location.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/test_directory.h"

namespace vpn::cli {
namespace {

StoreLocation parsed(const std::string& text) {
  StoreLocation location;
  EXPECT_EQ(parse_store_location(text, location), "") << text;
  return location;
}

TEST(StoreLocation, ASqliteFileMayBeNamedByItsDirectory) {
  const TestDirectory directory;
  const SqliteFile file{directory.path() / "clients.db"};
  EXPECT_EQ(parsed("sqlite:" + file.path.string()), StoreLocation(file));
  EXPECT_EQ(parsed("sqlite:" + directory.path().string()), StoreLocation(file));
  EXPECT_EQ(parsed("sqlite:" + directory.path().string() + "/"), StoreLocation(file));
  EXPECT_EQ(parsed("sqlite:/not/there/"), StoreLocation(SqliteFile{"/not/there/clients.db"}));
  EXPECT_EQ(parsed("sqlite:/not/there"), StoreLocation(SqliteFile{"/not/there"}));
  EXPECT_EQ(parsed("sqlite:a.db"), StoreLocation(SqliteFile{std::filesystem::current_path() / "a.db"}));
}

TEST(StoreLocation, AMongodbUriPassesAsItIs) {
  for (const char* uri : {"mongodb://a:p%40ss@h1:1,h2:2/?tls=true", "mongodb+srv://cluster.example.org/#x"}) {
    EXPECT_EQ(parsed(uri), StoreLocation(MongodbUri{uri}));
  }
}

TEST(StoreLocation, TheLtseHasAnIndex) {
  EXPECT_EQ(parsed("ltse:http://host:8080"), StoreLocation(LtseIndex{"http://host:8080", "vpn-enabler"}));
  EXPECT_EQ(parsed("ltse:https://host/a#peers"), StoreLocation(LtseIndex{"https://host/a", "peers"}));
}

TEST(StoreLocation, AFaultNamesNothingOfTheText) {
  for (const char* text : {"", "secret", "sqlite:", "postgres://u:secret@h", "ltse:secret", "ltse:ftp://u:secret@h",
                           "ltse:http://u:secret@h#", "mongodb:secret", "MONGODB://secret"}) {
    StoreLocation location;
    const Fault fault = parse_store_location(text, location);
    EXPECT_NE(fault, "") << text;
    EXPECT_EQ(fault.find("secret"), std::string::npos) << fault;
  }
}

TEST(StoreLocation, KnowsAStoreByAnyPath) {
  const TestDirectory directory;
  const auto file = directory.path() / "clients.db";
  std::ofstream(file) << "x";
  std::filesystem::create_symlink(file, directory.path() / "link");
  EXPECT_TRUE(is_same_store(SqliteFile{file}, SqliteFile{directory.path() / "link"}));
  EXPECT_FALSE(is_same_store(SqliteFile{file}, SqliteFile{directory.path() / "other"}));
  EXPECT_TRUE(is_same_store(SqliteFile{"/not/there"}, SqliteFile{"/not/there"}));
  EXPECT_FALSE(is_same_store(LtseIndex{"http://a", "b"}, LtseIndex{"http://a", "c"}));
  EXPECT_FALSE(is_same_store(SqliteFile{file}, MongodbUri{"mongodb://a"}));
}

TEST(StoreLocation, OnlyAFileThatIsThereHoldsClients) {
  const TestDirectory directory;
  const auto file = directory.path() / "clients.db";
  EXPECT_FALSE(may_hold_clients(SqliteFile{file}));
  std::ofstream(file).flush();
  EXPECT_FALSE(may_hold_clients(SqliteFile{file}));
  std::ofstream(file) << "x";
  EXPECT_TRUE(may_hold_clients(SqliteFile{file}));
  EXPECT_TRUE(may_hold_clients(MongodbUri{"mongodb://a"}));
}

}  // namespace
}  // namespace vpn::cli
