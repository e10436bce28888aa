import Dispatch
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree
import Logging
import Platform

/// Administration, for the holder of the admin token and for policies with all rights.
enum AdminRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .post,
      "/admin/backup",
      id: "backUp",
      tag: "Administration",
      "Copies everything the hub keeps into a new directory on its machine, while it goes on.",
      access: .policy(.all),
      throttle: .registry,
      body: .json("BackupRequest"),
      successes: [
        RouteSuccess(status: 200, description: "The backup is whole.", schema: "Backup")
      ],
      faults: [.argumentInvalid],
      handle: backUp
    )
  ]

  private static func backUp(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let body = try BodyFields(try request.json())
    let asked = try body.requiredString("path")
    // The copy is made under a name beside it, which a slash at the end would put into it.
    // By bytes, as the system takes it apart: with a combining mark behind it a slash is another
    // character.
    let slash = UInt8(ascii: "/")
    let parts = asked.utf8.split(separator: slash).map { Substring($0) }.filter { $0 != "." }
    let path = "/" + parts.joined(separator: "/")
    guard asked.utf8.first == slash, !parts.isEmpty, !parts.contains(".."),
      path.utf8.count <= 4_096, !path.utf8.contains(0)
    else {
      throw body.invalid("path", "must be an absolute path of a new directory, without \"..\".")
    }
    guard !PrivateFile.exists(path) else {
      throw RESTRefusal.conflict("\(path) exists: name a directory that is new.")
    }
    let hub = service.hub
    // Copies gigabytes with blocking calls: not on a thread of the tasks.
    let fault: String? = await withCheckedContinuation { continuation in
      DispatchQueue.global(qos: .utility).async {
        do {
          try hub.backUp(to: path)
          continuation.resume(returning: nil)
        } catch {
          continuation.resume(returning: "\(error)")
        }
      }
    }
    if let fault {
      hub.logger.error("backup failed", metadata: ["fault": "\(fault)"])
      throw HubError(.argumentInvalid, "The backup could not be made: \(fault)")
    }
    return .json(.object(["path": .string(path)]))
  }
}
