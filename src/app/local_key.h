#pragma once

#include <functional>

#include "app/lake_handle.h"
#include "auth/api_key.h"

namespace tarn::app {

// Loads the project's keys, has them changed and saves them, one command at a time. Only for the
// project's owner.
Status ChangeKeys(Machine& machine, const Project& project,
                  const std::function<Status(auth::KeyRing&)>& change);

// Saves the ring with a new key of commands on this machine, which a file holds that only the owner
// reads. For who holds the lock of the keys, or makes the project.
Status SaveWithLocalKey(Machine& machine, const Project& project, auth::KeyRing& ring);

// Makes that key anew if the ring does not know what the file holds: one of both is missing, was
// restored, or comes from a change that did not end.
Status EnsureLocalKey(Machine& machine, const Project& project);

// Whether the project's keys are gone: a project that was served has some.
bool KeysLost(Machine& machine, const Project& project);

// Whether nobody but commands on this machine can come in.
bool OnlyLocalKey(const auth::KeyRing& ring);

}  // namespace tarn::app
