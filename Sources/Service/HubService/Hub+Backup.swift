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
    var copied = try routing.backUp(to: partial)
    try files.holding { folder in
      // Before the files: each that this registry names is there until its copy is made. Before the
      // log too: an event of the hub's own may be in both, but must not be in neither.
      try store.backUp(to: partial + "/registry.sqlite")
      try PrivateFile.makeDirectory(partial + "/files")
      for name in try Backup.files(in: folder) {
        do throws(FileFault) {
          try Backup.copy(folder + "/" + name, to: partial + "/files/" + name)
        } catch {
          // What came of a broken upload, which no registry names.
          guard error.isMissing else { throw error }
          continue
        }
        copied.append("files/" + name)
      }
    }
    copied.append("registry.sqlite")
    for name in try Backup.files(in: dataDirectory + "/log") {
      do throws(FileFault) {
        try Backup.copy(dataDirectory + "/log/" + name, to: partial + "/log/" + name)
      } catch {
        // Retention may take a segment away between the listing and the copy.
        guard error.isMissing else { throw error }
        continue
      }
      copied.append("log/" + name)
    }
    if let provisioning {
      try provisioning.store.backUp(to: partial + "/provisioning.sqlite")
      copied.append("provisioning.sqlite")
    }
    for name in try Backup.files(in: dataDirectory + "/tls") {
      try Backup.copy(dataDirectory + "/tls/" + name, to: partial + "/tls/" + name)
      copied.append("tls/" + name)
    }
    // Behind where the endpoints stand: what they have passed by giving it up is nowhere else.
    for folder in [RoutingService.deadLetterFolder, RoutingService.secretFolder]
    where PrivateFile.exists("\(dataDirectory)/\(folder)") {
      try PrivateFile.makeDirectory("\(partial)/\(folder)")
      for name in try Backup.files(in: "\(dataDirectory)/\(folder)") {
        try Backup.copy("\(dataDirectory)/\(folder)/\(name)", to: "\(partial)/\(folder)/\(name)")
        copied.append("\(folder)/\(name)")
      }
    }
    for name in ["admin.token", "storage.key"]
    where PrivateFile.exists(dataDirectory + "/" + name) {
      try Backup.copy(dataDirectory + "/" + name, to: partial + "/" + name)
      copied.append(name)
    }
    try Backup.seal(partial, files: copied, time: now.iso8601)
    return copied.count
  }
}
