#include "control/store/mongodb/test_mongod.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <mongoc/mongoc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace vpn::control::mongodb {
namespace {

constexpr const char* kProgram = "build/servers/mongod/bin/mongod";

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::abort();
}

std::filesystem::path make_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "vpn-mongod-XXXXXX").string();
  if (!mkdtemp(name.data())) give_up("cannot make " + name);
  return name;
}

std::uint16_t free_port() {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(socket.get(), generic, size) != 0 || getsockname(socket.get(), generic, &size) != 0) give_up("no port");
  return ntohs(address.sin_port);
}

struct ClientDeleter {
  void operator()(mongoc_client_t* client) const { mongoc_client_destroy(client); }
};

std::unique_ptr<mongoc_client_t, ClientDeleter> connect(const std::string& address) {
  mongoc_init();
  mongoc_log_set_handler(nullptr, nullptr);
  const std::unique_ptr<mongoc_uri_t, decltype(&mongoc_uri_destroy)> uri(mongoc_uri_new(address.c_str()),
                                                                         mongoc_uri_destroy);
  mongoc_uri_set_option_as_bool(uri.get(), MONGOC_URI_SERVERSELECTIONTRYONCE, false);
  std::unique_ptr<mongoc_client_t, ClientDeleter> client(mongoc_client_new_from_uri(uri.get()));
  if (!client) give_up("cannot connect to " + address);
  return client;
}

Document parse_json(const std::string& json) {
  bson_error_t error;
  bson_t* parsed =
      bson_new_from_json(reinterpret_cast<const std::uint8_t*>(json.data()), static_cast<ssize_t>(json.size()), &error);
  if (!parsed) give_up(json + ": " + error.message);
  Document document(*parsed);
  bson_destroy(parsed);
  return document;
}

std::string to_json(const bson_t& document) {
  char* text = bson_as_canonical_extended_json(&document, nullptr);
  std::string json = text;
  bson_free(text);
  return json;
}

}  // namespace

Mongod::Mongod(std::vector<std::string> arguments)
    : directory_(make_directory()), port_(free_port()), arguments_(std::move(arguments)) {
  start();
}

Mongod::~Mongod() {
  end(SIGKILL);
  std::filesystem::remove_all(directory_);
}

void Mongod::start() {
  if (access(kProgram, X_OK) != 0) give_up(std::string(kProgram) + " is missing; run tests/servers/mongod.sh");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) give_up("no pipe");
  UniqueFd output(ends[0]);
  const UniqueFd input(ends[1]);
  const std::string path = directory_.string(), port = std::to_string(port_);
  std::vector<const char*> words{kProgram,     "--dbpath",      path.c_str(), "--port",
                                 port.c_str(), "--bind_ip",     "127.0.0.1",  "--wiredTigerCacheSizeGB",
                                 "0.25",       "--nounixsocket"};
  for (const std::string& argument : arguments_) words.push_back(argument.c_str());
  words.push_back(nullptr);

  ready_ = ended_ = false;
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    dup2(input.get(), STDOUT_FILENO);
    execv(kProgram, const_cast<char* const*>(words.data()));
    _exit(127);
  }
  reader_ = std::thread([this, log = std::move(output)]() mutable { drain(std::move(log)); });
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(60), [this] { return ready_ || ended_; });
  if (!ready_) give_up("mongod does not start:\n" + log_tail_);
}

/// Reads what the server logs until it ends; it would stop at a full pipe.
void Mongod::drain(UniqueFd output) {
  char buffer[4096];
  for (ssize_t size; (size = read(output.get(), buffer, sizeof buffer)) > 0;) {
    const std::lock_guard lock(mutex_);
    log_tail_.append(buffer, static_cast<std::size_t>(size));
    if (log_tail_.find("Waiting for connections") != std::string::npos) ready_ = true;
    if (log_tail_.size() > 8192) log_tail_.erase(0, log_tail_.size() - 4096);
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void Mongod::end(int signal) {
  if (pid_ < 0) return;
  kill(pid_, signal);
  kill(pid_, SIGCONT);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
  reader_.join();
  log_tail_.clear();
}

void Mongod::kill_hard() {
  end(SIGKILL);
}

void Mongod::freeze() {
  kill(pid_, SIGSTOP);
}

void Mongod::thaw() {
  kill(pid_, SIGCONT);
}

void Mongod::restart_with(std::vector<std::string> arguments) {
  end(SIGTERM);
  arguments_ = std::move(arguments);
  start();
}

ReplicaSet::ReplicaSet(std::size_t size, const std::vector<std::string>& arguments) {
  std::string list;
  std::vector<std::string> all{"--replSet", "rs0", "--oplogSize", "64"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  for (std::size_t i = 0; i < size; ++i) {
    members_.push_back(std::make_unique<Mongod>(all));
    list += (i ? ", " : "") + std::string("{\"_id\": ") + std::to_string(i) + ", \"host\": \"" + members_[i]->host() +
            "\"}";
  }
  // A short election, so that a test of a fail-over is one too.
  run_command(
      members_[0]->uri(), "admin",
      R"({"replSetInitiate": {"_id": "rs0", "settings": {"electionTimeoutMillis": 2000}, "members": [)" + list + "]}}");
  primary();
}

std::string ReplicaSet::uri() const {
  std::string uri = "mongodb://";
  for (std::size_t i = 0; i < members_.size(); ++i) uri += (i ? "," : "") + members_[i]->host();
  return uri + "/?replicaSet=rs0";
}

Mongod& ReplicaSet::primary() {
  const Document hello = run_command(uri(), "admin", R"({"hello": 1})");
  const std::string me(text_of(*hello.get(), "me").value_or(""));
  for (const auto& member : members_) {
    if (member->host() == me) return *member;
  }
  give_up("no member is " + me);
}

std::string try_command(const std::string& uri, const std::string& database, const std::string& json, Document* reply) {
  const auto client = connect(uri);
  const Document command = parse_json(json);
  Document answer;
  bson_error_t error;
  const bool done =
      mongoc_client_command_simple(client.get(), database.c_str(), command.get(), nullptr, answer.out(), &error);
  if (reply) *reply = std::move(answer);
  return done ? "" : error.message;
}

Document run_command(const std::string& uri, const std::string& database, const std::string& json) {
  Document reply;
  if (const std::string error = try_command(uri, database, json, &reply); !error.empty()) give_up(json + ": " + error);
  return reply;
}

void insert_json(const std::string& uri, const std::string& database, const std::string& collection,
                 const std::vector<std::string>& documents) {
  std::string list;
  for (const std::string& document : documents) list += (list.empty() ? "" : ", ") + document;
  run_command(uri, database, R"({"insert": ")" + collection + R"(", "documents": [)" + list + "]}");
}

std::vector<std::string> dump_json(const std::string& uri, const std::string& database, const std::string& collection) {
  const auto client = connect(uri);
  mongoc_collection_t* from = mongoc_client_get_collection(client.get(), database.c_str(), collection.c_str());
  const Document natural = parse_json(R"({"hint": {"$natural": 1}})");
  mongoc_cursor_t* cursor = mongoc_collection_find_with_opts(from, Document().get(), natural.get(), nullptr);
  std::vector<std::string> documents;
  const bson_t* document = nullptr;
  while (mongoc_cursor_next(cursor, &document)) documents.push_back(to_json(*document));
  bson_error_t error;
  if (mongoc_cursor_error(cursor, &error)) give_up(error.message);
  mongoc_cursor_destroy(cursor);
  mongoc_collection_destroy(from);
  return documents;
}

}  // namespace vpn::control::mongodb
