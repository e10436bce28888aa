extension OpenAPIComponents {
  static let identitySchemas = """
    {
      "Any": { "description": "Any JSON value." },
      "Bytes": { "description": "Any bytes." },
      "ID": {
        "type": "string", "minLength": 1, "maxLength": 128,
        "pattern": "^[A-Za-z0-9.+%_#*?!(),:=@$'-]+$"
      },
      "Name": {
        "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9._-]+$"
      },
      "Key": {
        "type": "string", "contentEncoding": "base64", "description": "16 to 64 bytes."
      },
      "Time": { "type": "string", "format": "date-time" },
      "Authentication": {
        "type": "object",
        "description": "On writing, null and absent are alike; both keys or neither, which makes new ones.",
        "properties": {
          "type": {
            "type": "string", "enum": ["sas", "selfSigned", "certificateAuthority", "none"]
          },
          "symmetricKey": {
            "type": ["object", "null"],
            "properties": {
              "primaryKey": { "anyOf": [{ "$ref": "#/components/schemas/Key" }, { "type": "null" }] },
              "secondaryKey": { "anyOf": [{ "$ref": "#/components/schemas/Key" }, { "type": "null" }] }
            }
          },
          "x509Thumbprint": {
            "type": ["object", "null"],
            "properties": {
              "primaryThumbprint": { "type": ["string", "null"], "pattern": "^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$" },
              "secondaryThumbprint": { "type": ["string", "null"], "pattern": "^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$" }
            }
          }
        }
      },
      "DeviceRequest": {
        "type": "object", "required": ["deviceId"],
        "description": "A device that was read can be sent back: what the hub decides is ignored.",
        "properties": {
          "deviceId": { "$ref": "#/components/schemas/ID" },
          "status": { "type": "string", "enum": ["enabled", "disabled"], "default": "enabled" },
          "statusReason": { "type": ["string", "null"], "maxLength": 128 },
          "authentication": { "$ref": "#/components/schemas/Authentication" },
          "capabilities": {
            "type": ["object", "null"], "properties": { "iotEdge": { "type": "boolean" } }
          },
          "deviceScope": { "type": ["string", "null"] },
          "parentScopes": { "type": ["array", "null"], "items": { "type": "string" }, "maxItems": 1 }
        }
      },
      "Device": {
        "type": "object",
        "required": ["deviceId", "generationId", "etag", "connectionState", "status", "authentication"],
        "properties": {
          "deviceId": { "$ref": "#/components/schemas/ID" },
          "generationId": { "type": "string" },
          "etag": { "type": "string" },
          "connectionState": { "type": "string", "enum": ["Connected", "Disconnected"] },
          "status": { "type": "string", "enum": ["enabled", "disabled"] },
          "statusReason": { "type": ["string", "null"] },
          "connectionStateUpdatedTime": { "$ref": "#/components/schemas/Time" },
          "statusUpdatedTime": { "$ref": "#/components/schemas/Time" },
          "lastActivityTime": { "$ref": "#/components/schemas/Time" },
          "cloudToDeviceMessageCount": { "type": "integer" },
          "authentication": { "$ref": "#/components/schemas/Authentication" },
          "capabilities": {
            "type": "object", "properties": { "iotEdge": { "type": "boolean" } }
          },
          "deviceScope": { "type": "string" },
          "parentScopes": { "type": "array", "items": { "type": "string" } }
        }
      },
      "ModuleRequest": {
        "type": "object", "required": ["deviceId", "moduleId"],
        "properties": {
          "deviceId": { "$ref": "#/components/schemas/ID" },
          "moduleId": { "$ref": "#/components/schemas/ID" },
          "managedBy": { "type": ["string", "null"] },
          "authentication": { "$ref": "#/components/schemas/Authentication" }
        }
      },
      "Module": {
        "type": "object",
        "required": ["moduleId", "deviceId", "generationId", "etag", "connectionState", "authentication"],
        "properties": {
          "moduleId": { "$ref": "#/components/schemas/ID" },
          "managedBy": { "type": ["string", "null"] },
          "deviceId": { "$ref": "#/components/schemas/ID" },
          "generationId": { "type": "string" },
          "etag": { "type": "string" },
          "connectionState": { "type": "string", "enum": ["Connected", "Disconnected"] },
          "connectionStateUpdatedTime": { "$ref": "#/components/schemas/Time" },
          "lastActivityTime": { "$ref": "#/components/schemas/Time" },
          "cloudToDeviceMessageCount": { "type": "integer" },
          "authentication": { "$ref": "#/components/schemas/Authentication" }
        }
      },
      "EdgeScopeRequest": {
        "type": "object", "required": ["authChain"],
        "properties": {
          "pageSize": { "type": "integer", "minimum": 0, "maximum": 1000, "description": "0 means 100." },
          "continuationLink": { "type": ["string", "null"] },
          "authChain": {
            "type": "string",
            "description": "Edge devices joined by semicolons: the one whose scope is wanted, its parent, and so on to the caller."
          }
        }
      },
      "EdgeIdentityRequest": {
        "type": "object", "required": ["targetDeviceId", "authChain"],
        "properties": {
          "targetDeviceId": { "$ref": "#/components/schemas/ID" },
          "targetModuleId": { "type": ["string", "null"] },
          "authChain": {
            "type": "string",
            "description": "Edge devices joined by semicolons: the one on whose behalf is asked, its parent, and so on to the caller."
          }
        }
      },
      "EdgeModulesRequest": {
        "type": "object", "required": ["authChain"],
        "properties": { "authChain": { "type": "string" } }
      },
      "EdgeModuleRequest": {
        "type": "object", "required": ["authChain", "moduleId"],
        "properties": {
          "authChain": { "type": "string" },
          "moduleId": { "$ref": "#/components/schemas/ID" }
        }
      },
      "EdgeModulePutRequest": {
        "type": "object", "required": ["authChain", "module"],
        "properties": {
          "authChain": { "type": "string" },
          "module": { "$ref": "#/components/schemas/ModuleRequest" }
        }
      },
      "DeviceScopePage": {
        "type": "object", "required": ["devices", "modules", "continuationLink"],
        "properties": {
          "devices": { "type": "array", "items": { "$ref": "#/components/schemas/Device" } },
          "modules": { "type": "array", "items": { "$ref": "#/components/schemas/Module" } },
          "continuationLink": { "type": ["string", "null"] }
        }
      },
      "RegistryLine": {
        "type": "object", "required": ["id"],
        "description": "An identity with its twin: an element of a bulk call, a line of an export or import.",
        "properties": {
          "id": { "$ref": "#/components/schemas/ID" },
          "moduleId": { "$ref": "#/components/schemas/ID" },
          "importMode": {
            "type": "string",
            "enum": [
              "create", "update", "updateIfMatchETag", "delete", "deleteIfMatchETag", "updateTwin",
              "updateTwinIfMatchETag"
            ],
            "description": "Absent: create or update identity and twin."
          },
          "eTag": { "type": "string" },
          "status": { "type": "string", "enum": ["enabled", "disabled"] },
          "statusReason": { "type": "string" },
          "authentication": { "$ref": "#/components/schemas/Authentication" },
          "twinETag": { "type": "string" },
          "tags": { "type": "object" },
          "properties": {
            "type": "object",
            "properties": { "desired": { "type": "object" }, "reported": { "type": "object" } }
          },
          "capabilities": {
            "type": "object", "properties": { "iotEdge": { "type": "boolean" } }
          },
          "deviceScope": { "type": "string" },
          "parentScopes": { "type": "array", "items": { "type": "string" } },
          "managedBy": { "type": "string" }
        }
      },
      "BulkRequest": {
        "type": "array", "maxItems": 100,
        "items": { "$ref": "#/components/schemas/RegistryLine" }
      },
      "BulkResult": {
        "type": "object", "required": ["isSuccessful", "errors", "warnings"],
        "properties": {
          "isSuccessful": { "type": "boolean" },
          "errors": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": {
                "deviceId": { "type": "string" },
                "moduleId": { "type": ["string", "null"] },
                "errorCode": { "type": "string" },
                "errorStatus": { "type": "string" },
                "operation": { "type": ["string", "null"] }
              }
            }
          },
          "warnings": { "type": "array" }
        }
      },
      "ImportResult": {
        "type": "object", "required": ["isSuccessful", "processed", "succeeded", "failed", "errors"],
        "properties": {
          "isSuccessful": { "type": "boolean" },
          "processed": { "type": "integer" },
          "succeeded": { "type": "integer" },
          "failed": { "type": "integer" },
          "errors": {
            "type": "array", "maxItems": 1000, "description": "The first 1000 failures.",
            "items": {
              "type": "object",
              "properties": {
                "line": { "type": "integer", "minimum": 1 },
                "deviceId": { "type": ["string", "null"] },
                "moduleId": { "type": ["string", "null"] },
                "errorCode": { "type": "string" },
                "errorStatus": { "type": "string" }
              }
            }
          }
        }
      },
      "RegistryStatistics": {
        "type": "object",
        "properties": {
          "totalDeviceCount": { "type": "integer" },
          "enabledDeviceCount": { "type": "integer" },
          "disabledDeviceCount": { "type": "integer" }
        }
      },
      "ServiceStatistics": {
        "type": "object", "properties": { "connectedDeviceCount": { "type": "integer" } }
      }
    }
    """

  static let twinSchemas = """
    {
      "TwinUpdate": {
        "type": "object",
        "description": "Everything but tags and properties.desired is ignored.",
        "properties": {
          "tags": { "type": ["object", "null"] },
          "properties": {
            "type": ["object", "null"], "properties": { "desired": { "type": ["object", "null"] } }
          }
        }
      },
      "TwinSection": {
        "type": "object",
        "properties": { "$metadata": { "type": "object" }, "$version": { "type": "integer" } }
      },
      "Twin": {
        "type": "object",
        "properties": {
          "deviceId": { "$ref": "#/components/schemas/ID" },
          "moduleId": { "$ref": "#/components/schemas/ID" },
          "modelId": { "type": "string" },
          "etag": { "type": "string" },
          "deviceEtag": { "type": "string" },
          "status": { "type": "string", "enum": ["enabled", "disabled"] },
          "statusReason": { "type": "string" },
          "statusUpdateTime": { "$ref": "#/components/schemas/Time" },
          "connectionState": { "type": "string", "enum": ["Connected", "Disconnected"] },
          "lastActivityTime": { "$ref": "#/components/schemas/Time" },
          "cloudToDeviceMessageCount": { "type": "integer" },
          "authenticationType": { "type": "string" },
          "x509Thumbprint": { "type": "object" },
          "capabilities": {
            "type": "object", "properties": { "iotEdge": { "type": "boolean" } }
          },
          "deviceScope": { "type": "string" },
          "parentScopes": { "type": "array", "items": { "type": "string" } },
          "version": { "type": "integer" },
          "tags": { "type": "object" },
          "properties": {
            "type": "object",
            "properties": {
              "desired": { "$ref": "#/components/schemas/TwinSection" },
              "reported": { "$ref": "#/components/schemas/TwinSection" }
            }
          }
        }
      },
      "DigitalTwin": {
        "type": "object", "required": ["$dtId", "$metadata"],
        "description": "Besides these members, properties with their reported values, and components: objects with a $metadata of their own.",
        "properties": {
          "$dtId": { "$ref": "#/components/schemas/ID" },
          "$metadata": {
            "type": "object", "required": ["$model"],
            "properties": {
              "$model": { "type": "string", "description": "The model that the device announced, or empty." }
            },
            "additionalProperties": { "$ref": "#/components/schemas/PropertyMetadata" }
          }
        }
      },
      "PropertyMetadata": {
        "type": "object",
        "properties": {
          "desiredValue": { "$ref": "#/components/schemas/Any" },
          "desiredVersion": { "type": "integer" },
          "ackVersion": { "type": "integer" },
          "ackCode": { "type": "integer" },
          "ackDescription": { "type": "string" },
          "lastUpdateTime": { "$ref": "#/components/schemas/Time" }
        }
      },
      "DigitalTwinPatch": {
        "type": "array", "maxItems": 1000,
        "items": {
          "type": "object", "required": ["op", "path"],
          "properties": {
            "op": { "type": "string", "enum": ["add", "replace", "remove"] },
            "path": {
              "type": "string", "pattern": "^(/[A-Za-z]([A-Za-z0-9_]{0,62}[A-Za-z0-9])?){1,2}$",
              "description": "/<property>, /<component> or /<component>/<property>."
            },
            "value": {
              "description": "Not for remove. No arrays and no null; a component has an empty object $metadata."
            }
          }
        }
      },
      "Query": {
        "type": "object", "required": ["query"],
        "properties": { "query": { "type": "string", "maxLength": 8192 } }
      },
      "QueryRow": {
        "type": "object", "description": "A twin for SELECT *, else what was selected."
      },
      "MethodRequest": {
        "type": "object", "required": ["methodName"],
        "properties": {
          "methodName": { "type": "string", "minLength": 1, "maxLength": 256 },
          "payload": { "description": "Any JSON value, at most 131072 bytes." },
          "responseTimeoutInSeconds": {
            "type": "integer", "minimum": 5, "maximum": 300, "default": 30
          },
          "connectTimeoutInSeconds": {
            "type": "integer", "minimum": 0, "maximum": 300, "default": 0,
            "description": "Part of the response timeout, and at most that."
          }
        }
      },
      "MethodResponse": {
        "type": "object", "required": ["status", "payload"],
        "properties": {
          "status": { "type": "integer", "description": "The client's own." },
          "payload": { "description": "Any JSON value; null if the client sent none." }
        }
      }
    }
    """
}
