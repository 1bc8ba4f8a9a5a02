// Loaded into sshd by LD_PRELOAD: a user "tester" that the machine does not have, so that tests can
// log in with a password and as somebody else than root. PCA_TESTER_HOME is where it lives,
// PCA_TESTER_PASSWORD its password as crypt(3) stores it.

#include <dlfcn.h>
#include <pwd.h>
#include <shadow.h>

#include <array>
#include <cstdlib>
#include <cstring>

namespace {

constexpr const char* name = "tester";
constexpr uid_t id = 65534;  // nobody

// Copied at the start, for sshd empties its environment before it asks PAM.
struct Setting {
  std::array<char, 256> text{};
  explicit Setting(const char* variable) {
    const char* value = std::getenv(variable);
    if (value != nullptr) std::strncpy(text.data(), value, text.size() - 1);
  }
};
Setting home("PCA_TESTER_HOME");
Setting password_hash("PCA_TESTER_PASSWORD");

passwd* tester() {
  static char user[] = "tester";
  static char password[] = "x";
  static char full_name[] = "";
  static char shell[] = "/bin/sh";
  static passwd entry{};
  entry = {user, password, id, id, full_name, home.text.data(), shell};
  return &entry;
}

template <typename Function>
Function* next(const char* symbol) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, symbol));
}

}  // namespace

extern "C" {

passwd* getpwnam(const char* wanted) {
  if (std::strcmp(wanted, name) == 0) return tester();
  return next<passwd*(const char*)>("getpwnam")(wanted);
}

passwd* getpwuid(uid_t wanted) {
  if (wanted == id && home.text[0] != '\0') return tester();
  return next<passwd*(uid_t)>("getpwuid")(wanted);
}

int getpwnam_r(const char* wanted, passwd* entry, char* buffer, size_t size, passwd** result) {
  if (std::strcmp(wanted, name) == 0) {
    *entry = *tester();
    *result = entry;
    return 0;
  }
  return next<int(const char*, passwd*, char*, size_t, passwd**)>("getpwnam_r")(
      wanted, entry, buffer, size, result);
}

spwd* getspnam(const char* wanted) {
  if (std::strcmp(wanted, name) != 0) return next<spwd*(const char*)>("getspnam")(wanted);
  static char user[] = "tester";
  static spwd entry{};
  entry = {};
  entry.sp_namp = user;
  entry.sp_pwdp = password_hash.text.data();
  entry.sp_lstchg = 10'000;
  entry.sp_min = entry.sp_max = entry.sp_warn = entry.sp_inact = entry.sp_expire = -1;
  return &entry;
}

int getspnam_r(const char* wanted, spwd* entry, char* buffer, size_t size, spwd** result) {
  if (std::strcmp(wanted, name) == 0) {
    *entry = *getspnam(wanted);
    *result = entry;
    return 0;
  }
  return next<int(const char*, spwd*, char*, size_t, spwd**)>("getspnam_r")(wanted, entry, buffer,
                                                                            size, result);
}

}  // extern "C"
