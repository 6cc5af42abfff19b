#pragma once

#include <functional>

#include "app/lake_handle.h"
#include "auth/api_key.h"

namespace tarn::app {

// Loads the project's keys, has them changed and saves them, one command at a time. Only for the
// project's owner.
Status ChangeKeys(Machine& machine, const Project& project,
                  const std::function<Status(auth::KeyRing&)>& change);

// Makes the key of commands on this machine anew: in the ring, which the caller saves, and in a
// file that only the owner reads.
Status WriteLocalKey(Machine& machine, const Project& project, auth::KeyRing& ring);

// Whether nobody but commands on this machine can come in.
bool OnlyLocalKey(const auth::KeyRing& ring);

}  // namespace tarn::app
