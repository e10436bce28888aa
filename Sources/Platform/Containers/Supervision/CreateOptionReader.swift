import Glibc
import JSONTree

/// Reads members of a container's body; each fault says which one is wrong.
enum CreateOptionReader {
  /// A limit of setrlimit(2).
  struct Limit: Equatable {
    let name: String
    let soft, hard: UInt64
  }

  static func refused(_ name: String, _ reason: String) -> RuntimeFault {
    RuntimeFault(.refused, "\(name) \(reason).")
  }

  /// Texts of a list, or the one text that stands in its place.
  static func words(_ body: JSONObject, _ key: String) throws(RuntimeFault) -> [String] {
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

  /// A number of which 0 and less mean "no limit", as to engines.
  static func amount(_ host: JSONObject, _ key: String) throws(RuntimeFault) -> Int64? {
    guard let value = host[key], !value.isNull else { return nil }
    guard let number = value.int64Value else {
      throw refused("HostConfig.\(key)", "must be a whole number")
    }
    // 0 and less mean "no limit" to the engines.
    return number > 0 ? number : nil
  }

  static func signal(_ name: String?) throws(RuntimeFault) -> Int32 {
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

  /// `Ulimits`.
  static func limits(_ host: JSONObject) throws(RuntimeFault) -> [Limit] {
    var limits: [Limit] = []
    for limit in host["Ulimits"]?.arrayValue ?? [] {
      guard let name = limit["Name"]?.stringValue,
        let soft = limit["Soft"]?.int64Value, let hard = limit["Hard"]?.int64Value
      else { throw refused("HostConfig.Ulimits", "needs Name, Soft and Hard in each") }
      // -1 is "no limit".
      limits.append(
        Limit(name: name, soft: UInt64(bitPattern: soft), hard: UInt64(bitPattern: hard))
      )
    }
    return limits
  }
}
