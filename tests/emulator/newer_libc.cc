// Two functions of glibc 2.38 that the module of Bochs wants and Debian 12 has under their older names.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

extern "C" unsigned long long __isoc23_strtoull(const char* text, char** end, int base) {
  return std::strtoull(text, end, base);
}

extern "C" int __isoc23_sscanf(const char* text, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int count = std::vsscanf(text, format, arguments);
  va_end(arguments);
  return count;
}
