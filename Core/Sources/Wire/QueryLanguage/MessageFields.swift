public import JSONTree

/// What a routing condition may ask of a message.
///
/// Each question is asked only if the condition needs it; the body and the twin at most once per
/// evaluation.
public protocol MessageFields: ~Copyable, ~Escapable {
  /// The application property called `name`, nil if there is none.
  ///
  /// Whether case counts is the answer's decision: edge routing ignores it (edge contract section
  /// 6.3).
  func applicationProperty(_ name: String) -> String?

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
