import JSONTree

/// What a hub writes about itself when it starts, `connection.json` in its data directory, or a file
/// that holds a connection string and nothing else.
enum ConnectionFile {
  /// Name of the file in a hub's data directory.
  static let name = "connection.json"

  /// Reads the file's content.
  ///
  /// `origin` is the file's path, for messages and for paths that are relative to it; `exists` says
  /// whether there is a file of a path.
  static func read(
    _ bytes: [UInt8],
    origin: String,
    exists: (String) -> Bool
  ) throws(CommandFailure) -> HubConnection {
    let text = String(decoding: bytes, as: UTF8.self)
    let trimmed = text.trimmed
    guard trimmed.hasPrefix("{") else {
      return try HubConnection(connectionString: trimmed, origin: origin)
    }
    let json: JSONValue
    do throws(JSONFault) {
      json = try JSON.parse(trimmed)
    } catch {
      throw CommandFailure(.usage, "\(origin): no JSON: \(error)")
    }
    // The file that the hub writes with --ready-file has one for each policy.
    let owner = json[path: ["policies", "iothubowner", "connectionString"]]
    guard let connectionString = (json["connectionString"] ?? owner)?.stringValue else {
      throw CommandFailure(
        .usage,
        "\(origin): there is no text 'connectionString' in it",
        remedy: "Give the file \(name) that the hub writes, or a file with a connection string."
      )
    }
    var connection = try HubConnection(connectionString: connectionString, origin: origin)
    if let port = json["https"]?.int64Value { connection.httpsPort = Int(port) }
    if let port = json["mqtt"]?.int64Value { connection.mqttPort = Int(port) }
    connection.adminToken = json["adminToken"]?.stringValue
    connection.adminURL = json["admin"]?.stringValue
    connection.idScope = json["idScope"]?.stringValue
    if let authority = json["ca"]?.stringValue {
      connection.trustAnchors = authorityPath(authority, origin: origin, exists)
    }
    return connection
  }

  /// The path is seen from the file, never from where the command runs, where another hub's may be.
  ///
  /// The directory may have moved since the hub wrote it.
  private static func authorityPath(
    _ path: String,
    origin: String,
    _ exists: (String) -> Bool
  ) -> String {
    let folder = origin.lastIndex(of: "/").map { String(origin[...$0]) } ?? ""
    let named = path.hasPrefix("/") ? path : folder + path
    return [named, folder + "tls/ca.pem"].first(where: exists) ?? named
  }
}

extension StringProtocol {
  /// Without blanks and line ends at either end.
  var trimmed: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }),
      let last = lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(self[first...last])
  }
}
