extension OpenAPIComponents {
  static let faultSchemas = """
    {
      "InjectedFault": {
        "type": "object", "required": ["fault"],
        "description": "A fault that a hub for tests commits. Members that say nothing of its kind are refused.",
        "properties": {
          "name": { "type": "string", "readOnly": true },
          "fault": {
            "type": "string",
            "enum": [
              "refuseConnections", "rejectCredentials", "delayConnections", "disconnect",
              "failRequests", "delayRequests", "loseTelemetry", "slowLog", "dropMethods", "shiftClock"
            ]
          },
          "deviceId": { "$ref": "#/components/schemas/ID" },
          "path": { "type": "string", "pattern": "^/", "description": "The beginning of the paths." },
          "status": { "type": "integer", "enum": [401, 429, 500, 503] },
          "retryAfterSeconds": { "type": "integer", "minimum": 0, "maximum": 3600 },
          "delayMilliseconds": { "type": "integer", "minimum": 1, "maximum": 60000 },
          "everySeconds": { "type": "integer", "minimum": 1, "maximum": 86400 },
          "shiftSeconds": {
            "type": "integer", "minimum": -315576000, "maximum": 315576000,
            "description": "Above 0 the hub's clock is fast."
          },
          "probability": {
            "type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 1
          },
          "times": {
            "type": "integer", "minimum": 1, "maximum": 1000000,
            "description": "How often it strikes; as often as it can without it."
          },
          "lifetimeSeconds": {
            "type": "integer", "minimum": 1, "maximum": 86400,
            "description": "When it is gone by itself."
          }
        }
      },
      "ArmedFault": {
        "allOf": [
          { "$ref": "#/components/schemas/InjectedFault" },
          {
            "type": "object",
            "properties": {
              "hits": { "type": "integer", "description": "How often it has struck." }
            }
          }
        ]
      }
    }
    """
}
