package import AMQPCodec

/// The claims-based-security node: clients put the tokens there that their links need (contract
/// §8.1).
package enum ClaimsBasedSecurity {
  /// The node's address.
  package static let address = "$cbs"

  /// What a put-token request says.
  package struct PutToken: Equatable, Sendable {
    /// What kind of token it is.
    package let type: String
    /// What it is for.
    package let audience: String
    /// The token: a secret.
    package let token: String

    /// Reads a request.
    ///
    /// - Throws: The answer to a request that can't be read.
    package init(_ request: NodeRequest) throws(RequestRefusal) {
      guard let operation = request.text("operation") else {
        throw RequestRefusal(400, "the application property operation is missing")
      }
      guard operation == "put-token" else {
        throw RequestRefusal(501, "operations here: put-token")
      }
      guard let type = request.text("type"), Self.types.contains(type.lowercased()) else {
        throw RequestRefusal(400, "types here: \(Self.types.joined(separator: ", "))")
      }
      guard let audience = request.text("name"), !audience.isEmpty else {
        throw RequestRefusal(400, "the application property name is missing")
      }
      guard case .value(let value) = request.message.body, let token = value.text else {
        throw RequestRefusal(400, "the body must be a value: the token as a string")
      }
      self.type = type
      self.audience = audience
      self.token = token
    }

    /// What is read as a shared access signature.
    ///
    /// Some clients say `jwt` or `bearer`; what they bring is refused if it is something else.
    private static let types = [
      "servicebus.windows.net:sastoken", "azure-devices.net:sastoken", "jwt", "bearer",
    ]
  }
}

/// Why a request to a node was not carried out.
package struct RequestRefusal: Error, Equatable, Sendable {
  /// As in HTTP.
  package let status: Int32
  /// For a person; holds nothing secret.
  package let description: String

  /// Creates a refusal.
  package init(_ status: Int32, _ description: String) {
    self.status = status
    self.description = description
  }

  /// The answer that tells it.
  package var answer: AMQPMessage { NodeAnswer.make(status, description) }
}

/// Answers of nodes.
package enum NodeAnswer {
  /// An answer with status and description in the types and names that the stock clients insist on
  /// (contract §8.5).
  package static func make(
    _ status: Int32,
    _ description: String,
    body: AMQPValue = .null
  ) -> AMQPMessage {
    var message = AMQPMessage(body: .value(body))
    message.applicationProperties = AMQPMap(strings: [
      ("status-code", .int(status)), ("status-description", .string(description)),
    ])
    return message
  }
}
