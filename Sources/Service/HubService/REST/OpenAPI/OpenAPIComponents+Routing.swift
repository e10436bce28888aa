extension OpenAPIComponents {
  static let routingSchemas = """
    {
      "Route": {
        "type": "object", "required": ["name", "source", "endpointNames"],
        "properties": {
          "name": { "type": "string", "minLength": 1, "maxLength": 64 },
          "source": {
            "type": "string",
            "enum": [
              "DeviceMessages", "TwinChangeEvents", "DeviceLifecycleEvents",
              "DeviceConnectionStateEvents", "DigitalTwinChangeEvents", "DeviceJobLifecycleEvents"
            ]
          },
          "condition": { "type": "string", "maxLength": 8192, "default": "true" },
          "endpointNames": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
          "isEnabled": { "type": "boolean", "default": true }
        }
      },
      "StorageContainer": {
        "type": "object", "required": ["name", "containerName"],
        "properties": {
          "name": { "type": "string", "minLength": 1, "maxLength": 64 },
          "containerName": { "type": "string", "minLength": 3, "maxLength": 63 },
          "fileNameFormat": {
            "type": "string", "default": "{iothub}/{partition}/{YYYY}/{MM}/{DD}/{HH}/{mm}"
          },
          "encoding": { "type": "string", "enum": ["Avro", "JSON"], "default": "Avro" },
          "batchFrequencyInSeconds": {
            "type": "integer", "minimum": 60, "maximum": 720, "default": 300
          },
          "maxChunkSizeInBytes": {
            "type": "integer", "minimum": 10485760, "maximum": 524288000, "default": 314572800
          }
        }
      },
      "Webhook": {
        "type": "object", "required": ["name", "uri"],
        "properties": {
          "name": { "type": "string", "minLength": 1, "maxLength": 64 },
          "uri": { "type": "string", "format": "uri", "maxLength": 2048 },
          "secretName": {
            "type": "string", "minLength": 1, "maxLength": 64,
            "description": "The file under secrets/ of the data directory that holds the header's value."
          },
          "secretHeader": { "type": "string", "maxLength": 64, "default": "Authorization" },
          "maxEventsPerBatch": {
            "type": "integer", "minimum": 1, "maximum": 100, "default": 1
          },
          "timeoutInSeconds": {
            "type": "integer", "minimum": 1, "maximum": 230, "default": 30
          },
          "eventTimeToLiveInSeconds": {
            "type": "integer", "minimum": 60, "maximum": 604800, "default": 86400
          }
        }
      },
      "MqttTopic": {
        "type": "object", "required": ["name", "host", "topic"],
        "description": "A member that ends with Name is the name of a file under secrets/ of the data directory.",
        "properties": {
          "name": { "type": "string", "minLength": 1, "maxLength": 64 },
          "host": { "type": "string", "maxLength": 255 },
          "port": {
            "type": "integer", "minimum": 1, "maximum": 65535,
            "description": "8883 by default, without TLS 1883."
          },
          "useTls": { "type": "boolean", "default": true },
          "topic": {
            "type": "string", "minLength": 1, "maxLength": 256,
            "description": "May hold {iothub}, {deviceId}, {moduleId}, {partition} and {source}."
          },
          "payload": { "type": "string", "enum": ["CloudEvents", "Body"], "default": "CloudEvents" },
          "clientId": { "type": "string", "maxLength": 256 },
          "userName": { "type": "string", "maxLength": 256 },
          "passwordName": { "type": "string", "maxLength": 64 },
          "caName": {
            "type": "string", "maxLength": 64,
            "description": "Authorities of the server's certificate, PEM; by default the system's."
          },
          "certificateName": {
            "type": "string", "maxLength": 64, "description": "The hub's certificate and its key, PEM."
          },
          "maxEventsInFlight": {
            "type": "integer", "minimum": 1, "maximum": 100, "default": 32
          },
          "eventTimeToLiveInSeconds": {
            "type": "integer", "minimum": 60, "maximum": 604800, "default": 86400
          }
        }
      },
      "Routing": {
        "type": "object",
        "properties": {
          "endpoints": {
            "type": "object",
            "properties": {
              "eventStreams": {
                "type": "array",
                "items": {
                  "type": "object", "required": ["name"],
                  "properties": { "name": { "type": "string", "minLength": 1, "maxLength": 64 } }
                }
              },
              "storageContainers": {
                "type": "array", "items": { "$ref": "#/components/schemas/StorageContainer" }
              },
              "webhooks": {
                "type": "array", "items": { "$ref": "#/components/schemas/Webhook" }
              },
              "mqttTopics": {
                "type": "array", "items": { "$ref": "#/components/schemas/MqttTopic" }
              }
            }
          },
          "drainingEndpoints": {
            "type": "object", "readOnly": true,
            "description": "Removed endpoints that still get what was sent to them before.",
            "additionalProperties": { "type": "array", "items": { "type": "object" } }
          },
          "routes": { "type": "array", "items": { "$ref": "#/components/schemas/Route" } },
          "fallbackRoute": {
            "type": "object",
            "properties": {
              "endpointNames": { "type": "array", "items": { "type": "string" } },
              "isEnabled": { "type": "boolean" }
            }
          },
          "enrichments": {
            "type": "array",
            "items": {
              "type": "object", "required": ["key", "value", "endpointNames"],
              "properties": {
                "key": { "type": "string", "minLength": 1, "maxLength": 128 },
                "value": { "type": "string", "maxLength": 1024 },
                "endpointNames": { "type": "array", "items": { "type": "string" } }
              }
            }
          }
        }
      },
      "RouteTestMessage": {
        "type": "object",
        "properties": {
          "body": { "type": "string" },
          "appProperties": { "type": "object", "additionalProperties": { "type": "string" } },
          "systemProperties": { "type": "object", "additionalProperties": { "type": "string" } }
        }
      },
      "RouteTest": {
        "type": "object", "required": ["route"],
        "properties": {
          "message": { "$ref": "#/components/schemas/RouteTestMessage" },
          "route": { "$ref": "#/components/schemas/Route" },
          "twin": { "type": "object" }
        }
      },
      "RouteTestResult": {
        "type": "object", "required": ["result", "details"],
        "properties": {
          "result": { "type": "string", "enum": ["true", "false", "undefined"] },
          "details": {
            "type": "object",
            "properties": { "compilationErrors": { "type": "array", "items": { "type": "object" } } }
          }
        }
      },
      "RouteTestAll": {
        "type": "object",
        "properties": {
          "routingSource": { "type": "string" },
          "message": { "$ref": "#/components/schemas/RouteTestMessage" },
          "twin": { "type": "object" }
        }
      },
      "RouteTestAllResult": {
        "type": "object", "required": ["routes"],
        "properties": {
          "routes": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": { "properties": { "$ref": "#/components/schemas/Route" } }
            }
          }
        }
      },
      "EndpointHealths": {
        "type": "object", "required": ["value"],
        "properties": {
          "value": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": {
                "endpointId": { "type": "string" },
                "healthStatus": {
                  "type": "string", "enum": ["unknown", "healthy", "degraded", "unhealthy", "dead"]
                },
                "lastKnownError": { "type": ["string", "null"] },
                "lastKnownErrorTime": { "type": ["string", "null"] },
                "lastSendAttemptTime": { "type": ["string", "null"] },
                "lastSuccessfulSendAttemptTime": { "type": ["string", "null"] },
                "lostEventCount": { "type": "integer", "minimum": 0 },
                "isDraining": { "type": "boolean" }
              }
            }
          }
        }
      }
    }
    """
}
