import JSONTree

extension Supervision.Status {
  /// The process as the socket shows it.
  var json: JSONValue {
    var object: JSONObject = [
      "role": .string(role.rawValue),
      "state": .string(
        processID == nil
          ? (isStopping ? "stopped" : "waiting") : isStopping ? "stopping" : "running"
      ),
      "seconds": .int(Int64(clamping: seconds)), "restarts": .int(Int64(restarts)),
    ]
    if let processID { object["pid"] = .int(Int64(processID)) }
    if let lastEnding { object["lastEnding"] = .string("\(lastEnding)") }
    return .object(object)
  }
}
