#include "support/proxmox_step.hpp"

namespace pca::test {

std::string ProxmoxStep::executable() { return PCA_PROXMOX_DEPLOY; }

}  // namespace pca::test
