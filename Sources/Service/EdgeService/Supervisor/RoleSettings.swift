import Glibc
import JSONTree
import Logging
import Platform

/// What each process is told of the settings, written by the supervisor whenever it starts the process.
struct RoleSettings {
  private let file: String
  private let paths: EdgePaths
  private let users: EdgeUsers
  /// The variables that the deployment sets for the local hub.
  private(set) var deployed: [String: String] = [:]

  /// Forgets what a supervisor before wrote, but not what was deployed.
  init(file: String, paths: EdgePaths, users: EdgeUsers, _ logger: Logger) {
    (self.file, self.paths, self.users) = (file, paths, users)
    remove()
    let path = paths.hubVariables
    guard PrivateFile.exists(path) else { return }
    do {
      let bytes = try PrivateFile.read(path, limit: SupervisorOrder.byteLimit)
      guard case .hubVariables(let variables?) = SupervisorOrder(bytes) else {
        throw FileFault("understand", path, EINVAL)
      }
      try LocalHubVariables.check(variables)
      if let fault = clash(variables) { throw fault }
      deployed = variables
    } catch {
      // The agent says them again.
      let reason = (error as? SettingsFault)?.problem ?? "\(error)"
      logger.error(
        "the local hub is started without what the deployment sets",
        metadata: ["reason": "\(reason)"]
      )
    }
  }

  /// Takes variables of the deployment for the local hub, durably.
  ///
  /// - Returns: Why they cannot be had, and then those before hold; nil if they can.
  mutating func deploy(_ variables: [String: String]) -> String? {
    do {
      try LocalHubVariables.check(variables)
      // What cannot be read back would keep the hub from starting.
      let bytes = try PrivateFile.read(file, limit: TOMLDocument.byteLimit)
      try refuseClashes(bytes, variables)
      try PrivateFile.replace(
        paths.hubVariables,
        with: JSON.bytes(SupervisorOrder.hubVariables(variables).json)
      )
    } catch {
      return (error as? SettingsFault)?.problem ?? "\(error)"
    }
    deployed = variables
    return nil
  }

  /// Why variables that were taken once cannot be had with the settings as they are now; nil if they
  /// can, or nobody can tell.
  private func clash(_ variables: [String: String]) -> SettingsFault? {
    guard let bytes = try? PrivateFile.read(file, limit: TOMLDocument.byteLimit),
      (try? EdgeSettings(bytes, file: file, paths: paths)) != nil
    else { return nil }
    do throws(SettingsFault) {
      try refuseClashes(bytes, variables)
      return nil
    } catch {
      return error
    }
  }

  /// Refuses variables that the settings, which are `bytes`, cannot be read with, or that give two
  /// listeners one port.
  private func refuseClashes(
    _ bytes: [UInt8],
    _ variables: [String: String]
  ) throws(SettingsFault) {
    let text = try rendered(.hub, bytes, deployed: variables)
    try EdgeSettings(Array(text.utf8), file: file, paths: paths)
      .refuseClashes(beyond: EdgeSettings(bytes, file: file, paths: paths))
  }

  private func rendered(
    _ role: EdgeRole,
    _ bytes: [UInt8],
    deployed: [String: String]
  ) throws(SettingsFault) -> String {
    try SettingsCopy.text(of: bytes, at: file, for: role, paths: paths, deployed: deployed)
  }

  /// Takes all of it away.
  func remove() {
    for role in EdgeRole.allCases { unlink(paths.settings(of: role)) }
  }

  /// Writes what a process is told, as the settings file is now.
  ///
  /// If the file cannot be used, the process is started with what it was told the last time: a fault in
  /// it must not stop what runs.
  ///
  /// - Returns: Why the process has nothing to be started with, nil if it has.
  func write(_ role: EdgeRole, _ logger: Logger) -> String? {
    let path = paths.settings(of: role)
    do {
      let bytes = try PrivateFile.read(file, limit: TOMLDocument.byteLimit)
      let text = try rendered(role, bytes, deployed: deployed)
      try PrivateFile.replace(path, with: Array(text.utf8), mode: 0o400)
      try users.give(path, to: role)
      return nil
    } catch {
      let reason = (error as? SettingsFault)?.problem ?? "\(error)"
      guard PrivateFile.exists(path) else { return reason }
      logger.error(
        "the settings cannot be used: the process starts with those of before",
        metadata: ["process": "\(role.rawValue)", "reason": "\(reason)"]
      )
      return nil
    }
  }
}
