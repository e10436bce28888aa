import JSONTree

/// What the routes' description refers to by name.
enum OpenAPIComponents {
  static let introduction = """
    The hub's REST interface. All times are ISO 8601 in UTC; "never" is 0001-01-01T00:00:00Z. \
    Refusals carry the header iothub-errorcode, which is what programs should match on, and one of \
    three bodies: Error, ModuleError (module identities and device side), or an Error whose Message \
    is the text of a ModuleError (direct methods). Path segments are percent-decoded once; a plus \
    sign stands for itself. HEAD is answered wherever GET changes nothing.
    """

  /// The names of response headers by their components.
  static let headerNames = [
    "ETag": "ETag", "LockToken": "ETag", "ItemType": "x-ms-item-type",
    "Continuation": "x-ms-continuation", "SequenceNumber": "iothub-sequencenumber",
    "EnqueuedTime": "iothub-enqueuedtime", "DeliveryCount": "iothub-deliverycount",
    "CommandStatus": "x-ms-command-statuscode", "Location": "Location",
  ]

  /// The components of the document.
  static var json: JSONValue {
    [
      "securitySchemes": parse(securitySchemes), "parameters": parse(parameters),
      "headers": parse(headers), "schemas": .object(schemas),
    ]
  }

  private static var schemas: JSONObject {
    var all = JSONObject()
    for part in [
      identitySchemas, twinSchemas, fleetSchemas, messageSchemas, routingSchemas, operatorSchemas,
      faultSchemas, errorSchemas, provisioningSchemas, fileSchemas,
    ] {
      for (name, schema) in parse(part).objectValue ?? [:] { all[name] = schema }
    }
    return all
  }

  /// Texts of this source, which a test reads as well.
  private static func parse(_ text: String) -> JSONValue {
    do throws(JSONFault) {
      return try JSON.parse(text)
    } catch {
      preconditionFailure("a component is no JSON: \(error)")
    }
  }

  private static let securitySchemes = """
    {
      "sas": {
        "type": "apiKey", "in": "header", "name": "Authorization",
        "description": "SharedAccessSignature sr=…&sig=…&se=…[&skn=…], signed with a policy's, a device's or a module's key."
      },
      "certificate": {
        "type": "mutualTLS",
        "description": "The certificate of the device or module, presented in the TLS handshake."
      }
    }
    """

  private static let headers = """
    {
      "RequestID": {
        "description": "The request's name in the hub's log.",
        "schema": { "type": "string", "format": "uuid" }
      },
      "ETag": {
        "description": "The object's version, in quotes, for If-Match.",
        "schema": { "type": "string" }
      },
      "LockToken": {
        "description": "The lock, in quotes, by which to complete or abandon what was taken.",
        "schema": { "type": "string" }
      },
      "Location": {
        "description": "Where the object is.",
        "schema": { "type": "string", "format": "uri-reference" }
      },
      "CommandStatus": {
        "description": "The device's own status.",
        "schema": { "type": "integer" }
      },
      "ItemType": {
        "description": "What the rows are.",
        "schema": { "type": "string", "enum": ["Twin", "Raw", "DeviceJob", "JobResponse", "Enrollment", "EnrollmentGroup", "DeviceRegistration"] }
      },
      "Continuation": {
        "description": "Sent back as a request header it gives the next page; absent at the end.",
        "schema": { "type": "string" }
      },
      "RetryAfter": {
        "description": "Seconds to wait before the next attempt.",
        "schema": { "type": "integer" }
      },
      "SequenceNumber": {
        "description": "The message's place in the queue.",
        "schema": { "type": "integer" }
      },
      "EnqueuedTime": {
        "description": "When the message was queued.",
        "schema": { "type": "string", "format": "date-time" }
      },
      "DeliveryCount": {
        "description": "Deliveries begun so far, this one included.",
        "schema": { "type": "integer" }
      }
    }
    """
}
