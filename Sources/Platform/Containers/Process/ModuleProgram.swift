import Glibc
import JSONTree
import Platform

/// What to run for a module that is a process, read from the body that a container would be made of
/// (edge contract section 16, EXT 4).
///
/// `Image` is the program, or a folder with the program `run`. Of the create options these mean what
/// they mean to a container engine: `Entrypoint` (with a folder), `Cmd`, `Env`, `WorkingDir`, `User`,
/// `StopSignal`, and in `HostConfig` `Memory`, `NanoCpus`, `PidsLimit`, `Ulimits`, `Privileged`,
/// `CapAdd`, `CapDrop`, `Binds`, `Devices` and `LogConfig.Config` with `max-size` and `max-file`.
/// Everything else is of containers only and is ignored.
struct ModuleProgram: Equatable {
  /// A limit of setrlimit(2).
  struct Limit: Equatable {
    let name: String
    let soft, hard: UInt64
  }

  /// The program's path, and what it is called with.
  let path: String
  let arguments: [String]
  /// `NAME=value`, without what the runtime adds.
  let environment: [String]
  /// Where it begins; nil for a folder of its own.
  let workingDirectory: String?
  /// The user, and perhaps a group, as numbers or names; nil for the runtime's own.
  let user: String?
  /// What asks it to end.
  let stopSignal: Int32
  let memoryBytes: Int64?
  let nanoProcessors: Int64?
  let processLimit: Int64?
  let limits: [Limit]
  let isPrivileged: Bool
  /// The image, which it may read.
  let image: String
  /// Files and folders of the machine that it may write to (`Binds` without `ro`, `Devices`).
  let writable: [String]
  /// Bits of the capabilities that it keeps where it is root.
  let capabilities: UInt64
  let log: LogLimits

  /// Reads `body`.
  ///
  /// - Throws: `RuntimeFault` for what cannot be run.
  init(_ body: JSONObject) throws(RuntimeFault) {
    let image = body["Image"]?.stringValue ?? ""
    guard image.hasPrefix("/") else {
      throw Self.refused("settings.image", "must be the path of a program or folder: \"\(image)\"")
    }
    let entrypoint = try Self.words(body, "Entrypoint")
    let command = try Self.words(body, "Cmd")
    if ModuleProgram.isFolder(image) {
      let first = entrypoint.first ?? "run"
      path =
        first.contains("/") || entrypoint.isEmpty ? Self.joined(image, first) : Self.found(first)
      arguments = Array(entrypoint.dropFirst()) + command
    } else {
      guard entrypoint.isEmpty else {
        throw Self.refused("Entrypoint", "is for a settings.image that is a folder")
      }
      path = image
      arguments = command
    }
    environment = try Self.words(body, "Env")
    let directory = body["WorkingDir"]?.stringValue ?? ""
    if directory.isEmpty {
      workingDirectory = Self.isFolder(image) ? image : nil
    } else {
      workingDirectory = Self.isFolder(image) ? Self.joined(image, directory) : directory
    }
    let user = body["User"]?.stringValue ?? ""
    self.user = user.isEmpty ? nil : user
    stopSignal = try Self.signal(body["StopSignal"]?.stringValue)
    let host = body["HostConfig"]?.objectValue ?? [:]
    memoryBytes = try Self.amount(host, "Memory")
    nanoProcessors = try Self.amount(host, "NanoCpus")
    processLimit = try Self.amount(host, "PidsLimit")
    isPrivileged = host["Privileged"]?.boolValue ?? false
    self.image = image
    writable = try Self.binds(host) + Self.devices(host)
    capabilities = try ModuleCapabilities.kept(
      adding: Self.words(host, "CapAdd"),
      dropping: Self.words(host, "CapDrop")
    )
    var limits: [Limit] = []
    for limit in host["Ulimits"]?.arrayValue ?? [] {
      guard let name = limit["Name"]?.stringValue,
        let soft = limit["Soft"]?.int64Value, let hard = limit["Hard"]?.int64Value
      else { throw Self.refused("HostConfig.Ulimits", "needs Name, Soft and Hard in each") }
      // -1 is "no limit".
      limits.append(
        Limit(name: name, soft: UInt64(bitPattern: soft), hard: UInt64(bitPattern: hard))
      )
    }
    self.limits = limits
    log = LogLimits(host["LogConfig"]?["Config"]?.objectValue ?? [:])
  }

  /// Checks that there is something to run.
  func check() throws(RuntimeFault) {
    var information = stat()
    guard stat(path, &information) == 0 else {
      throw RuntimeFault(
        .notFound,
        "\(FileFault("run", path)). settings.image names a program, or a folder with the program "
          + "\"run\" (or the one that Entrypoint names)."
      )
    }
    guard information.st_mode & S_IFMT == S_IFREG, access(path, X_OK) == 0 else {
      throw RuntimeFault(.refused, "\(path) is no program that may be run: chmod +x \(path)")
    }
  }

  static func isFolder(_ path: String) -> Bool {
    var information = stat()
    return stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
  }

  private static func refused(_ name: String, _ reason: String) -> RuntimeFault {
    RuntimeFault(.refused, "\(name) \(reason).")
  }

  private static func joined(_ folder: String, _ path: String) -> String {
    path.hasPrefix("/") ? path : folder + "/" + path
  }

  /// A program by its name alone, where the system keeps programs.
  private static func found(_ name: String) -> String {
    ["/usr/local/bin/", "/usr/bin/", "/bin/"].map { $0 + name }
      .first { access($0, X_OK) == 0 } ?? "/usr/bin/" + name
  }

  private static func words(_ body: JSONObject, _ key: String) throws(RuntimeFault) -> [String] {
    guard let value = body[key], !value.isNull else { return [] }
    if let text = value.stringValue { return [text] }
    let words = value.arrayValue?.map(\.stringValue) ?? [nil]
    var found: [String] = []
    for word in words {
      guard let word, !word.utf8.contains(0) else {
        throw refused(key, "must be a list of strings")
      }
      found.append(word)
    }
    return found
  }

  /// `from:to[:options]`; a module that is a process sees each where it is.
  private static func binds(_ host: JSONObject) throws(RuntimeFault) -> [String] {
    var found: [String] = []
    for bind in try words(host, "Binds") {
      let parts = bind.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count >= 2, parts[0].first == "/" else {
        throw refused("HostConfig.Binds", "must be like /path:/path or /path:/path:ro, not \(bind)")
      }
      if parts.count < 3 || !parts[2].split(separator: ",").contains("ro") {
        found.append(String(parts[0]))
      }
    }
    return found
  }

  private static func devices(_ host: JSONObject) throws(RuntimeFault) -> [String] {
    var found: [String] = []
    for device in host["Devices"]?.arrayValue ?? [] {
      guard let path = device["PathOnHost"]?.stringValue, path.hasPrefix("/") else {
        throw refused("HostConfig.Devices", "needs PathOnHost in each")
      }
      found.append(path)
    }
    return found
  }

  private static func amount(_ host: JSONObject, _ key: String) throws(RuntimeFault) -> Int64? {
    guard let value = host[key], !value.isNull else { return nil }
    guard let number = value.int64Value else {
      throw refused("HostConfig.\(key)", "must be a whole number")
    }
    // 0 and less mean "no limit" to the engines.
    return number > 0 ? number : nil
  }

  private static func signal(_ name: String?) throws(RuntimeFault) -> Int32 {
    guard let name, !name.isEmpty else { return SIGTERM }
    if let number = Int32(name), (1...64).contains(number) { return number }
    let known = [
      "TERM": SIGTERM, "INT": SIGINT, "HUP": SIGHUP, "QUIT": SIGQUIT, "KILL": SIGKILL,
      "USR1": SIGUSR1, "USR2": SIGUSR2,
    ]
    let word = name.uppercased()
    guard let number = known[word.hasPrefix("SIG") ? String(word.dropFirst(3)) : word] else {
      throw refused("StopSignal", "is no signal that is known here: \(name)")
    }
    return number
  }
}

/// How much of a module's log is kept.
struct LogLimits: Equatable {
  /// The longest file, in bytes, and how many there are.
  var fileBytes: Int64 = 10 << 20
  var files: Int = 3

  /// Reads the options of an engine's log driver; what cannot be read is as if it were not there.
  init(_ options: JSONObject = [:]) {
    if let text = options["max-size"]?.stringValue, let bytes = Self.bytes(text) {
      fileBytes = max(bytes, 4096)
    }
    if let count = options["max-file"]?.stringValue.flatMap({ Int($0) }) {
      files = min(max(count, 1), 100)
    }
  }

  private static func bytes(_ text: String) -> Int64? {
    let units: [Character: Int64] = ["k": 1 << 10, "m": 1 << 20, "g": 1 << 30]
    let unit = text.lowercased().last.flatMap { units[$0] }
    guard let number = Int64(unit == nil ? text : String(text.dropLast())) else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
    return overflow || bytes <= 0 ? nil : bytes
  }
}
