public import JSONTree

/// Reading of a REST request's body.
public enum RequestBody {
  /// The JSON value of a body.
  ///
  /// - Throws: 413001 above `limit` bytes, 400005 for an empty body, 400006 for what is no JSON, with
  ///   the place.
  public static func parse(
    _ bytes: [UInt8],
    limit: Int = Quotas().restBodyBytes
  ) throws(HubError) -> JSONValue {
    guard bytes.count <= limit else {
      throw HubError(
        .messageTooLarge,
        "The body has \(bytes.count) bytes; at most \(limit) are accepted."
      )
    }
    guard !bytes.isEmpty else {
      throw HubError(.argumentNull, "The body is empty; send a JSON value.")
    }
    do {
      return try JSON.parse(bytes)
    } catch {
      throw HubError(.iotHubFormatError, "The body is not JSON: \(error).")
    }
  }
}
