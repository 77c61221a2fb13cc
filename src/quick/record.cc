#include "quick/record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <sstream>

#include "base/encoding.h"
#include "cli/setting_values.h"
#include "cli/small_file.h"

namespace vpn::quick {
namespace {

constexpr std::size_t kMaxRecordBytes = std::size_t{16} * 1024;
constexpr const char* kFormat = "vpn-enabler up 1";

std::optional<std::uint32_t> number(std::string_view text) {
  const auto value = parse_decimal(text, std::numeric_limits<std::uint32_t>::max());
  return value ? std::optional(static_cast<std::uint32_t>(*value)) : std::nullopt;
}

std::optional<host::PolicyRule> parse_rule(std::istream& words) {
  std::string family, priority, table, mark, without_default;
  words >> family >> priority >> table >> mark >> without_default;
  const auto priority_number = number(priority), table_number = number(table), mark_number = number(mark);
  if (!priority_number || !table_number || !mark_number || (family != "4" && family != "6")) return std::nullopt;
  return host::PolicyRule{family == "4" ? IpFamily::kV4 : IpFamily::kV6, *priority_number, *table_number, *mark_number,
                          without_default == "1"};
}

/// False when it is no line of ours.
bool take_line(const std::string& line, Record& record) {
  std::istringstream words(line);
  std::string key, value;
  words >> key;
  if (key == "rule") {
    const auto rule = parse_rule(words);
    if (rule) record.rules.push_back(*rule);
    return rule.has_value();
  }
  std::getline(words >> std::ws, value);
  if (key == "interface") return cli::parse_interface(value, record.interface_name).empty();
  if (key == "in-kernel") return record.in_kernel = value == "1", true;
  if (key == "table") return record.has_table = value == "1", true;
  if (key == "file") return record.config_file = value, true;
  const auto index = number(value);
  if (key != "index" || !index) return false;
  record.interface_index = *index;
  return true;
}

/// fcntl(2)'s lock, which a child does not inherit: the engine lives on.
Result<UniqueFd> lock_file(const std::filesystem::path& path) {
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return fail(system_error("cannot write " + path.string(), errno));
  struct flock lock{};
  lock.l_type = F_WRLCK;
  while (::fcntl(file.get(), F_SETLKW, &lock) != 0) {
    if (errno != EINTR) return fail(system_error("cannot lock " + path.string(), errno));
  }
  return file;
}

}  // namespace

std::string to_text(const Record& record) {
  std::ostringstream text;
  text << kFormat << "\ninterface " << record.interface_name << "\nin-kernel " << record.in_kernel << "\nindex "
       << record.interface_index << "\n";
  for (const host::PolicyRule& rule : record.rules) {
    text << "rule " << (rule.family == IpFamily::kV4 ? 4 : 6) << " " << rule.priority << " " << rule.table << " "
         << rule.unless_mark << " " << rule.without_default << "\n";
  }
  text << "table " << record.has_table << "\nfile " << record.config_file.native() << "\n";
  return text.str();
}

Result<Record> parse_record(std::string_view text) {
  std::istringstream lines{std::string(text)};
  std::string line;
  Record record;
  bool good = std::getline(lines, line) && line == kFormat;
  while (good && std::getline(lines, line)) good = take_line(line, record);
  if (good && !record.interface_name.empty()) return record;
  return fail(ErrorCode::kCorrupt, "the content is not what `vpn-enabler up` writes");
}

Result<Records> Records::open(const std::filesystem::path& directory) {
  for (const std::filesystem::path& each : {directory.parent_path(), directory}) {
    if (::mkdir(each.c_str(), 0700) != 0 && errno != EEXIST) {
      return fail(system_error("cannot make " + each.string(), errno));
    }
  }
  auto lock = lock_file(directory / "lock");
  if (!lock) return fail(std::move(lock.error()));
  struct stat status{};
  if (::stat("/proc/self/ns/net", &status) != 0) return fail(system_error("cannot look at /proc/self/ns/net", errno));
  return Records(directory, std::to_string(status.st_ino), *std::move(lock));
}

// No interface's name holds an @.
std::string Records::file_name(const std::string& interface_name) const {
  return interface_name + "@" + network_namespace_;
}

Result<std::optional<Record>> Records::load(const std::string& interface_name) const {
  const std::filesystem::path path = directory_ / file_name(interface_name);
  const auto text = cli::read_small_file(path, kMaxRecordBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::optional<Record>();
  if (!text) return fail(text.error());
  auto record = parse_record(*text);
  if (record && record->interface_name == interface_name) return std::optional(*std::move(record));
  return fail(
      ErrorCode::kCorrupt,
      path.string() + " is not what `vpn-enabler up` writes; remove it, and by hand what is left of " + interface_name);
}

Status Records::store(const Record& record) const {
  return cli::write_file_atomically(directory_, file_name(record.interface_name), to_text(record));
}

Status Records::remove(const std::string& interface_name) const {
  const std::filesystem::path path = directory_ / file_name(interface_name);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return fail(system_error("cannot remove " + path.string(), errno));
  return {};
}

}  // namespace vpn::quick
