extension OpenAPIComponents {
  static let messageSchemas = """
    {
      "QueuedMessage": {
        "type": "object", "required": ["messageId", "sequenceNumber"],
        "properties": {
          "messageId": { "type": "string", "description": "The one given, or a new one." },
          "sequenceNumber": { "type": "integer" }
        }
      },
      "PurgeResult": {
        "type": "object",
        "properties": {
          "totalMessagesPurged": { "type": "integer" },
          "deviceId": { "type": "string" },
          "moduleId": { "type": "null" }
        }
      },
      "Feedback": {
        "type": "object",
        "properties": {
          "originalMessageId": { "type": "string" },
          "enqueuedTimeUtc": { "$ref": "#/components/schemas/Time" },
          "statusCode": {
            "type": "string",
            "enum": ["Success", "Expired", "DeliveryCountExceeded", "Rejected", "Purged"]
          },
          "description": { "type": "string" },
          "deviceId": { "type": "string" },
          "deviceGenerationId": { "type": "string" }
        }
      },
      "Event": {
        "type": "object",
        "required": [
          "partition", "sequenceNumber", "offset", "enqueuedTime", "annotations", "properties",
          "applicationProperties", "body", "bodyEncoding"
        ],
        "properties": {
          "partition": { "type": "integer" },
          "sequenceNumber": {
            "type": "integer", "description": "Its number in the partition, without gaps."
          },
          "offset": { "type": "string", "description": "Its place in the log, rising." },
          "enqueuedTime": { "$ref": "#/components/schemas/Time" },
          "annotations": { "type": "object", "description": "What the hub says of it." },
          "properties": { "type": "object", "description": "System properties." },
          "applicationProperties": {
            "type": "object", "additionalProperties": { "type": ["string", "null"] }
          },
          "bodyEncoding": { "type": "string", "enum": ["json", "utf-8", "base64"] },
          "body": { "description": "A JSON value, text, or base64, as bodyEncoding says." }
        }
      },
      "EventPage": {
        "type": "object", "required": ["events", "next", "continuation"],
        "properties": {
          "events": { "type": "array", "items": { "$ref": "#/components/schemas/Event" } },
          "next": {
            "type": "object", "description": "For each partition where to go on, as from takes it.",
            "additionalProperties": { "type": "string" }
          },
          "continuation": { "type": "string", "description": "Opaque: all of next in one." }
        }
      }
    }
    """

  static let operatorSchemas = """
    {
      "CertificateRequest": {
        "type": "object", "required": ["certificate"],
        "properties": {
          "certificate": { "type": "string", "description": "PEM text, or DER in base64." }
        }
      },
      "Certificate": {
        "type": "object",
        "properties": {
          "name": { "$ref": "#/components/schemas/Name" },
          "etag": { "type": "string" },
          "properties": {
            "type": "object",
            "properties": {
              "subject": { "type": "string" },
              "thumbprint": { "type": "string", "description": "SHA-1 of the DER form." },
              "isVerified": { "type": "boolean" },
              "expiry": { "$ref": "#/components/schemas/Time" },
              "created": { "$ref": "#/components/schemas/Time" },
              "updated": { "$ref": "#/components/schemas/Time" },
              "verificationCode": { "type": ["string", "null"] },
              "certificate": { "type": "string", "contentEncoding": "base64" }
            }
          }
        }
      },
      "Rights": {
        "type": "array", "minItems": 1, "uniqueItems": true,
        "items": {
          "type": "string",
          "enum": ["RegistryRead", "RegistryWrite", "ServiceConnect", "DeviceConnect"]
        }
      },
      "PolicyRequest": {
        "type": "object", "required": ["rights"],
        "properties": {
          "rights": { "$ref": "#/components/schemas/Rights" },
          "primaryKey": { "anyOf": [{ "$ref": "#/components/schemas/Key" }, { "type": "null" }] },
          "secondaryKey": { "anyOf": [{ "$ref": "#/components/schemas/Key" }, { "type": "null" }] }
        }
      },
      "BackupRequest": {
        "type": "object", "required": ["path"],
        "properties": {
          "path": {
            "type": "string", "minLength": 2, "pattern": "^/",
            "description": "A new directory on the hub's machine, as an absolute path."
          }
        }
      },
      "Backup": {
        "type": "object", "required": ["path"],
        "properties": { "path": { "type": "string" } }
      },
      "RegenerateRequest": {
        "type": "object", "required": ["key"],
        "properties": { "key": { "type": "string", "enum": ["primary", "secondary", "both"] } }
      },
      "Policy": {
        "type": "object", "required": ["name", "rights", "primaryKey", "secondaryKey"],
        "properties": {
          "name": { "$ref": "#/components/schemas/Name" },
          "rights": { "$ref": "#/components/schemas/Rights" },
          "primaryKey": { "$ref": "#/components/schemas/Key" },
          "secondaryKey": { "$ref": "#/components/schemas/Key" }
        }
      }
    }
    """

  static let errorSchemas = """
    {
      "Error": {
        "type": "object", "required": ["Message", "ExceptionMessage"],
        "properties": {
          "Message": {
            "type": "string",
            "description": "ErrorCode:<name>;<text>, or for direct methods the text of a ModuleError."
          },
          "ExceptionMessage": { "type": "string", "description": "Holds the tracking ID." }
        }
      },
      "ModuleError": {
        "type": "object", "required": ["errorCode", "message", "trackingId", "timestampUtc"],
        "properties": {
          "errorCode": { "type": "integer" },
          "message": { "type": "string" },
          "trackingId": { "type": "string" },
          "timestampUtc": { "$ref": "#/components/schemas/Time" }
        }
      }
    }
    """
}
