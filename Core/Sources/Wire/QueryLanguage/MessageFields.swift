public import JSONTree

/// What a routing condition may ask of a message.
///
/// Each question is asked only if the condition needs it; the body and the twin at most once per
/// evaluation. Conditions of the edge ask for all names in lower case, because case does not count
/// there (edge contract section 6.3).
public protocol MessageFields: ~Copyable, ~Escapable {
  /// The application property called `name`, nil if there is none.
  func applicationProperty(_ name: String) -> String?

  /// Whether there is an application property called `name` that has no value.
  ///
  /// Asked by conditions of the edge only, when `applicationProperty` has answered nil.
  func hasValuelessProperty(_ name: String) -> Bool

  /// Offers all application properties to `table`, which says which of them are asked for; false if
  /// the message would rather be asked for each.
  func offerProperties(to table: inout PropertyTable) -> Bool

  /// The system property called `name`, without a dollar sign: `contentType`,
  /// `connectionDeviceId` and so on (hub contract section 9.4), nil if there is none.
  func systemProperty(_ name: String) -> String?

  /// The body read as JSON, nil if it is none.
  ///
  /// Asked only when content type and content encoding allow it; the encoding may be UTF-16 or
  /// UTF-32, which the answer has to transcode.
  func body() -> JSONValue?

  /// The twin of the sender, `tags` and `properties` in it, nil where there is none.
  func twin() -> JSONValue?
}

extension MessageFields where Self: ~Copyable, Self: ~Escapable {
  /// No property is without value.
  public func hasValuelessProperty(_ name: String) -> Bool { false }

  /// Each property is asked for.
  public func offerProperties(to table: inout PropertyTable) -> Bool { false }
}
