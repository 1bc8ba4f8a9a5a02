# Where everything is kept that a clean clone need not make again: patched sources, built
# dependencies, compiled objects. Outside the tree; safe to delete.
if(DEFINED ENV{PCA_CACHE})
  set(PCA_CACHE "$ENV{PCA_CACHE}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(PCA_CACHE "$ENV{XDG_CACHE_HOME}/private-cloud-actions")
else()
  set(PCA_CACHE "$ENV{HOME}/.cache/private-cloud-actions")
endif()
