package import AMQPCodec

/// Why a link, a session or a connection ended, or a delivery was rejected (AMQP 1.0 part 2 §2.8.14).
package struct AMQPError: Error, Equatable, Sendable {
  /// The symbol that names the condition.
  package var condition: String
  /// Text for a person.
  package var description: String
  /// More about it.
  package var info: AMQPMap

  /// Creates an error.
  package init(_ condition: String, _ description: String, info: AMQPMap = [:]) {
    self.condition = condition
    self.description = description
    self.info = info
  }

  package static let notFound = "amqp:not-found"
  package static let unauthorizedAccess = "amqp:unauthorized-access"
  package static let notAllowed = "amqp:not-allowed"
  package static let invalidField = "amqp:invalid-field"
  package static let decodeError = "amqp:decode-error"
  package static let internalError = "amqp:internal-error"
  package static let resourceLimitExceeded = "amqp:resource-limit-exceeded"
  package static let connectionForced = "amqp:connection:forced"
  package static let framingError = "amqp:connection:framing-error"
  package static let linkStolen = "amqp:link:stolen"
  package static let messageSizeExceeded = "amqp:link:message-size-exceeded"
  package static let transferLimitExceeded = "amqp:link:transfer-limit-exceeded"
}

/// What became of a delivery (AMQP 1.0 part 3 §3.4).
package enum AMQPOutcome: Equatable, Sendable {
  /// It is the receiver's now.
  case accepted
  /// It is invalid and must not be sent again.
  case rejected(AMQPError?)
  /// It was not looked at.
  case released
  /// It was not dealt with, and perhaps failed, or can't be dealt with here.
  case modified(hasFailed: Bool, isUndeliverable: Bool)
  /// Settled without saying.
  case unknown
}
