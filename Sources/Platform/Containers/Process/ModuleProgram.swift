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
  private typealias Options = CreateOptionReader

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
  let limits: [CreateOptionReader.Limit]
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
      throw Options.refused(
        "settings.image",
        "must be the path of a program or folder: \"\(image)\""
      )
    }
    let entrypoint = try Options.words(body, "Entrypoint")
    let command = try Options.words(body, "Cmd")
    if ModuleProgram.isFolder(image) {
      let first = entrypoint.first ?? "run"
      path =
        first.contains("/") || entrypoint.isEmpty ? Self.joined(image, first) : Self.found(first)
      arguments = Array(entrypoint.dropFirst()) + command
    } else {
      guard entrypoint.isEmpty else {
        throw Options.refused("Entrypoint", "is for a settings.image that is a folder")
      }
      path = image
      arguments = command
    }
    environment = try Options.words(body, "Env")
    let directory = body["WorkingDir"]?.stringValue ?? ""
    if directory.isEmpty {
      workingDirectory = Self.isFolder(image) ? image : nil
    } else {
      workingDirectory = Self.isFolder(image) ? Self.joined(image, directory) : directory
    }
    let user = body["User"]?.stringValue ?? ""
    self.user = user.isEmpty ? nil : user
    stopSignal = try Options.signal(body["StopSignal"]?.stringValue)
    let host = body["HostConfig"]?.objectValue ?? [:]
    memoryBytes = try Options.amount(host, "Memory")
    nanoProcessors = try Options.amount(host, "NanoCpus")
    processLimit = try Options.amount(host, "PidsLimit")
    isPrivileged = host["Privileged"]?.boolValue ?? false
    self.image = image
    writable = try Self.binds(host) + Self.devices(host)
    capabilities = try ModuleCapabilities.kept(
      adding: Options.words(host, "CapAdd"),
      dropping: Options.words(host, "CapDrop")
    )
    limits = try Options.limits(host)
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

  private static func joined(_ folder: String, _ path: String) -> String {
    path.hasPrefix("/") ? path : folder + "/" + path
  }

  /// A program by its name alone, where the system keeps programs.
  private static func found(_ name: String) -> String {
    ["/usr/local/bin/", "/usr/bin/", "/bin/"].map { $0 + name }
      .first { access($0, X_OK) == 0 } ?? "/usr/bin/" + name
  }

  /// `from:to[:options]`; a module that is a process sees each where it is.
  private static func binds(_ host: JSONObject) throws(RuntimeFault) -> [String] {
    var found: [String] = []
    for bind in try Options.words(host, "Binds") {
      let parts = bind.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count >= 2, parts[0].first == "/" else {
        throw Options.refused(
          "HostConfig.Binds",
          "must be like /path:/path or /path:/path:ro, not \(bind)"
        )
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
        throw Options.refused("HostConfig.Devices", "needs PathOnHost in each")
      }
      found.append(path)
    }
    return found
  }
}
