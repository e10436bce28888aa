import HubContract
import Logging
import Platform

extension Hub {
  /// Copies everything the hub keeps into the new directory `target`, while the hub goes on.
  ///
  /// The registry is copied as of one moment; the log has at least all that was acknowledged before
  /// the call. What is half-written at the end of a copied segment is cut off when the copy is opened.
  /// Files that storage endpoints have finished are theirs who read them, and are not copied.
  ///
  /// Throws a `SettingsFault` if `target` exists, or what kept a file from being copied; what was
  /// copied is removed then.
  func backUp(to target: String) throws {
    guard !PrivateFile.exists(target) else {
      throw SettingsFault("\(target) exists: name a directory that is new")
    }
    let partial = target + ".partial"
    PrivateFile.removeTree(partial)
    do {
      let count = try copy(to: partial)
      try PrivateFile.move(partial, to: target)
      logger.notice("backup made", metadata: ["directory": "\(target)", "files": "\(count)"])
    } catch {
      // It would take the space that the hub itself may need, and it holds keys.
      PrivateFile.removeTree(partial)
      throw error
    }
  }

  /// Makes a whole backup in the new directory `partial`, and answers the number of its files.
  private func copy(to partial: String) throws -> Int {
    try PrivateFile.makeDirectory(partial + "/log")
    try PrivateFile.makeDirectory(partial + "/tls")
    // Before the log: where an endpoint stands must not be behind what the copied log has.
    var files = try routing.backUp(to: partial)
    // Before the log too: an event of the hub's own may be in both, but must not be in neither.
    try store.backUp(to: partial + "/registry.sqlite")
    files.append("registry.sqlite")
    for name in try Backup.files(in: dataDirectory + "/log") {
      do throws(FileFault) {
        try Backup.copy(dataDirectory + "/log/" + name, to: partial + "/log/" + name)
      } catch {
        // Retention may take a segment away between the listing and the copy.
        guard error.isMissing else { throw error }
        continue
      }
      files.append("log/" + name)
    }
    if let provisioning {
      try provisioning.store.backUp(to: partial + "/provisioning.sqlite")
      files.append("provisioning.sqlite")
    }
    for name in try Backup.files(in: dataDirectory + "/tls") {
      try Backup.copy(dataDirectory + "/tls/" + name, to: partial + "/tls/" + name)
      files.append("tls/" + name)
    }
    // Behind where the endpoints stand: what they have passed by giving it up is nowhere else.
    for folder in [RoutingService.deadLetterFolder, RoutingService.secretFolder]
    where PrivateFile.exists("\(dataDirectory)/\(folder)") {
      try PrivateFile.makeDirectory("\(partial)/\(folder)")
      for name in try Backup.files(in: "\(dataDirectory)/\(folder)") {
        try Backup.copy("\(dataDirectory)/\(folder)/\(name)", to: "\(partial)/\(folder)/\(name)")
        files.append("\(folder)/\(name)")
      }
    }
    if PrivateFile.exists(dataDirectory + "/admin.token") {
      try Backup.copy(dataDirectory + "/admin.token", to: partial + "/admin.token")
      files.append("admin.token")
    }
    try Backup.seal(partial, files: files, time: now.iso8601)
    return files.count
  }
}
