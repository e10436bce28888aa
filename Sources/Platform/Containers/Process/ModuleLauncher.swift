import CLinux
import Glibc
import Platform

/// What becomes the module: confines itself, and then turns into the module's program.
///
/// File 3 is the shim's: what is written there is why the module could not be run; it closes when
/// the program begins.
package enum ModuleLauncher {
  /// Becomes the module of a folder, which sees nothing of what is `hidden`; returns only if that is
  /// not possible.
  package static func run(folder path: String, hidden: [String]) -> Int32 {
    do {
      try become(ModuleFolder(path), hidden)
    } catch {
      let text = "\(error)"
      _ = text.withCString { write(3, $0, strlen($0)) }
    }
    return 127
  }

  private static func become(_ folder: ModuleFolder, _ hidden: [String]) throws {
    let parent = getppid()
    let program = try ModuleProgram(try folder.body())
    try program.check()
    _ = fcntl(3, F_SETFD, FD_CLOEXEC)
    confine(folder, program)
    for directory in [folder.temporaryPath, folder.workPath] {
      if mkdir(directory, 0o700) != 0, errno != EEXIST { throw FileFault("make", directory) }
    }
    try takeUser(folder, program)
    let directory = program.workingDirectory ?? folder.workPath
    guard chdir(directory) == 0 else { throw FileFault("enter", directory) }
    if !program.isPrivileged {
      if geteuid() == 0, clinux_keep_capabilities(program.capabilities) != 0 {
        throw FileFault("take rights from", program.path)
      }
      _ = clinux_no_new_privileges()
      try ModuleSandbox(
        hidden: hidden,
        readable: [program.image],
        own: [folder.workPath, folder.temporaryPath],
        writable: program.writable
      ).enter()
    }
    // After the change of user, which takes it back.
    guard clinux_die_with_parent() == 0, getppid() == parent else { exit(1) }
    umask(0o022)
    let variables = environment(folder, program)
    Spawn.withStrings([program.path] + program.arguments) { arguments in
      Spawn.withStrings(variables) { variables in
        _ = execve(program.path, arguments, variables)
      }
    }
    throw FileFault("run", program.path)
  }

  /// The module's variables, and what every program expects to have.
  private static func environment(_ folder: ModuleFolder, _ program: ModuleProgram) -> [String] {
    let own = Set(program.environment.compactMap { $0.split(separator: "=").first })
    let added = [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOME=\(folder.workPath)", "TMPDIR=\(folder.temporaryPath)",
    ]
    return program.environment
      + added.filter { variable in !own.contains(variable.prefix { $0 != "=" }) }
  }

  /// Limits; by the control group where there can be one, else by setrlimit(2).
  private static func confine(_ folder: ModuleFolder, _ program: ModuleProgram) {
    let group = ControlGroup(folder)
    if let bytes = program.memoryBytes, !group.limit(memoryBytes: bytes) {
      limit(number(RLIMIT_AS), UInt64(bytes), UInt64(bytes))
    }
    if let count = program.processLimit, !group.limit(processes: count) {
      limit(clinux_rlimit_processes(), UInt64(count), UInt64(count))
    }
    if let processors = program.nanoProcessors { _ = group.limit(nanoProcessors: processors) }
    limit(number(RLIMIT_CORE), 0, 0)
    let known = [
      "nofile": number(RLIMIT_NOFILE), "nproc": clinux_rlimit_processes(),
      "core": number(RLIMIT_CORE), "cpu": number(RLIMIT_CPU), "as": number(RLIMIT_AS),
      "data": number(RLIMIT_DATA), "stack": number(RLIMIT_STACK), "fsize": number(RLIMIT_FSIZE),
    ]
    for entry in program.limits {
      if let resource = known[entry.name.lowercased()] { limit(resource, entry.soft, entry.hard) }
    }
  }

  private static func number(_ resource: __rlimit_resource) -> Int32 {
    Int32(truncatingIfNeeded: resource.rawValue)
  }

  private static func limit(_ resource: Int32, _ soft: UInt64, _ hard: UInt64) {
    var current = rlimit()
    guard getrlimit(resource, &current) == 0 else { return }
    // Raising takes a right that the machine may not give; then it stays as it is.
    let most = geteuid() == 0 ? hard : min(hard, UInt64(current.rlim_max))
    var wanted = rlimit(rlim_cur: rlim_t(min(soft, most)), rlim_max: rlim_t(most))
    if setrlimit(resource, &wanted) != 0 {
      wanted = rlimit(
        rlim_cur: rlim_t(min(soft, UInt64(current.rlim_max))),
        rlim_max: current.rlim_max
      )
      setrlimit(resource, &wanted)
    }
  }

  /// Becomes the user that the module asks for.
  private static func takeUser(_ folder: ModuleFolder, _ program: ModuleProgram) throws {
    guard let user = program.user else { return }
    let parts = user.split(separator: ":", maxSplits: 1).map(String.init)
    var (userID, groupID) = (uid_t.max, gid_t.max)
    let name = parts.first ?? ""
    if let number = uid_t(name) {
      userID = number
      groupID = getpwuid(number).map { $0.pointee.pw_gid } ?? number
    } else if let entry = getpwnam(name) {
      (userID, groupID) = (entry.pointee.pw_uid, entry.pointee.pw_gid)
    } else {
      throw RuntimeFault(.refused, "There is no user \"\(name)\" on this machine (User).")
    }
    if parts.count == 2 {
      guard let group = gid_t(parts[1]) ?? getgrnam(parts[1])?.pointee.gr_gid else {
        throw RuntimeFault(.refused, "There is no group \"\(parts[1])\" on this machine (User).")
      }
      groupID = group
    }
    if userID == geteuid(), groupID == getegid() { return }
    guard geteuid() == 0 else {
      throw RuntimeFault(
        .refused,
        "Only root can run a module as the user \"\(user)\"; this is user number \(geteuid())."
      )
    }
    for directory in [folder.temporaryPath, folder.workPath] {
      guard chown(directory, userID, groupID) == 0 else { throw FileFault("give away", directory) }
    }
    // The module must be able to pass through, and see nothing else.
    chmod(folder.path, 0o711)
    var groups = [groupID]
    guard setgroups(1, &groups) == 0, setgid(groupID) == 0, setuid(userID) == 0 else {
      throw FileFault("become the user \(user) for", program.path)
    }
  }
}
