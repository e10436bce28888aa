extension OpenAPIComponents {
  static let fleetSchemas = """
    {
      "ConfigurationID": {
        "type": "string", "pattern": "^[a-z0-9+%_*!'-]{1,128}$"
      },
      "JobID": { "type": "string", "pattern": "^[a-z0-9'-]{1,64}$" },
      "JobType": { "type": "string", "enum": ["scheduleUpdateTwin", "scheduleDeviceMethod"] },
      "JobStatus": {
        "type": "string",
        "enum": [
          "pending", "scheduled", "queued", "running", "completed", "failed", "cancelled",
          "unknown"
        ]
      },
      "ConfigurationContent": {
        "description": "Exactly one of the three. Keys are properties.desired or a path below it.",
        "type": "object",
        "properties": {
          "deviceContent": { "type": "object" },
          "moduleContent": { "type": "object" },
          "modulesContent": {
            "description": "By module; $edgeAgent must be among them.",
            "type": "object", "additionalProperties": { "type": "object" }
          }
        }
      },
      "ConfigurationMetrics": {
        "type": "object",
        "properties": {
          "queries": { "type": "object", "additionalProperties": { "type": "string" } },
          "results": {
            "description": "Rows of each query; up to 60 s old where counting takes long.",
            "type": "object", "additionalProperties": { "type": "integer" }
          }
        }
      },
      "Configuration": {
        "type": "object", "required": ["content"],
        "properties": {
          "id": { "$ref": "#/components/schemas/ConfigurationID" },
          "schemaVersion": { "type": ["string", "null"] },
          "labels": {
            "type": ["object", "null"], "additionalProperties": { "type": "string" }
          },
          "content": { "$ref": "#/components/schemas/ConfigurationContent" },
          "contentType": { "type": "string", "readOnly": true },
          "targetCondition": {
            "description": "* for all, empty for none, else a condition; FROM devices.modules WHERE … for moduleContent.",
            "type": "string", "default": ""
          },
          "createdTimeUtc": { "type": "string", "format": "date-time", "readOnly": true },
          "lastUpdatedTimeUtc": { "type": "string", "format": "date-time", "readOnly": true },
          "priority": {
            "type": "integer", "minimum": 0, "maximum": 2147483647, "default": 0
          },
          "systemMetrics": { "$ref": "#/components/schemas/ConfigurationMetrics" },
          "metrics": { "$ref": "#/components/schemas/ConfigurationMetrics" },
          "etag": { "type": "string", "readOnly": true }
        }
      },
      "ConfigurationQueries": {
        "type": "object",
        "properties": {
          "targetCondition": { "type": "string" },
          "customMetricQueries": {
            "type": "object", "additionalProperties": { "type": "string" }
          }
        }
      },
      "ConfigurationQueryFaults": {
        "type": "object",
        "properties": {
          "targetConditionError": { "type": ["string", "null"] },
          "customMetricQueryErrors": {
            "type": "object", "additionalProperties": { "type": "string" }
          }
        }
      },
      "ConfigurationPlan": {
        "type": "object", "required": ["configurationId", "action", "deviceCount", "changes"],
        "properties": {
          "configurationId": { "$ref": "#/components/schemas/ConfigurationID" },
          "action": { "type": "string", "enum": ["create", "update", "delete"] },
          "deviceCount": {
            "description": "Devices of this page that the configuration targets, before or afterwards.",
            "type": "integer"
          },
          "changes": {
            "type": "array",
            "items": {
              "type": "object", "required": ["deviceId", "configurations", "desired"],
              "properties": {
                "deviceId": { "$ref": "#/components/schemas/ID" },
                "moduleId": { "$ref": "#/components/schemas/ID" },
                "isCreated": {
                  "description": "The module does not exist yet.", "type": "boolean"
                },
                "configurations": {
                  "description": "How configurations stand to the twin, where that changes.",
                  "type": "object",
                  "additionalProperties": {
                    "type": "object",
                    "properties": {
                      "before": { "type": ["string", "null"] },
                      "after": { "type": ["string", "null"] }
                    }
                  }
                },
                "desired": {
                  "description": "The patch of the desired properties.", "type": "object"
                },
                "refusal": {
                  "description": "Why the twin cannot hold it and stays as it is.",
                  "type": "string"
                },
                "starts": { "type": "array", "items": { "type": "string" } },
                "restarts": { "type": "array", "items": { "type": "string" } },
                "stops": { "type": "array", "items": { "type": "string" } },
                "childCount": {
                  "description": "Devices directly below the edge device, at most 1000; for its $edgeAgent.",
                  "type": "integer"
                },
                "isConnected": {
                  "description": "Whether the edge device's agent is connected.", "type": "boolean"
                }
              }
            }
          }
        }
      },
      "EdgeConnection": {
        "type": "object",
        "properties": {
          "connectionState": { "type": "string", "enum": ["Connected", "Disconnected"] },
          "connectionStateUpdatedTime": { "$ref": "#/components/schemas/Time" },
          "lastActivityTime": { "$ref": "#/components/schemas/Time" }
        }
      },
      "Edge": {
        "type": "object", "required": ["deviceId", "agent", "hub", "deployment", "modules"],
        "properties": {
          "deviceId": { "$ref": "#/components/schemas/ID" },
          "status": { "type": "string", "enum": ["enabled", "disabled"] },
          "parent": { "type": ["string", "null"] },
          "agent": { "$ref": "#/components/schemas/EdgeConnection" },
          "hub": { "$ref": "#/components/schemas/EdgeConnection" },
          "deployment": {
            "type": "object",
            "properties": {
              "isApplied": {
                "description": "The agent has dealt with the present desired properties, with code 200.",
                "type": "boolean"
              },
              "desiredVersion": { "type": "integer" },
              "lastDesiredVersion": { "type": ["integer", "null"] },
              "code": { "type": ["integer", "null"] },
              "description": { "type": "string" }
            }
          },
          "unwellModuleCount": {
            "description": "Modules that should run and are not said to.", "type": "integer"
          },
          "modules": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": {
                "name": { "type": "string" },
                "desiredStatus": { "type": ["string", "null"] },
                "runtimeStatus": { "type": ["string", "null"] },
                "restartCount": { "type": ["integer", "null"] },
                "exitCode": { "type": ["integer", "null"] },
                "statusDescription": { "type": ["string", "null"] },
                "image": { "type": ["string", "null"] },
                "lastStartTimeUtc": { "type": ["string", "null"] }
              }
            }
          },
          "childCount": {
            "description": "Devices directly below it, at most 1000.", "type": "integer"
          },
          "isChildCountCut": {
            "description": "There may be more than childCount says.", "type": "boolean"
          },
          "children": {
            "description": "All devices below it, each behind its parent, at most 1000; not in lists.",
            "type": "array",
            "items": {
              "type": "object",
              "properties": {
                "deviceId": { "$ref": "#/components/schemas/ID" },
                "parent": { "$ref": "#/components/schemas/ID" },
                "isEdge": { "type": "boolean" },
                "status": { "type": "string", "enum": ["enabled", "disabled"] },
                "connection": { "$ref": "#/components/schemas/EdgeConnection" }
              }
            }
          }
        }
      },
      "JobRequest": {
        "type": "object", "required": ["type", "queryCondition"],
        "properties": {
          "jobId": { "$ref": "#/components/schemas/JobID" },
          "type": { "$ref": "#/components/schemas/JobType" },
          "updateTwin": { "$ref": "#/components/schemas/TwinUpdate" },
          "cloudToDeviceMethod": { "$ref": "#/components/schemas/MethodRequest" },
          "queryCondition": {
            "description": "* for all devices, else a condition.", "type": "string"
          },
          "startTime": {
            "description": "At most 168 h ahead; absent: now.",
            "type": "string", "format": "date-time"
          },
          "maxExecutionTimeInSeconds": { "type": "integer", "minimum": 1, "default": 3600 }
        }
      },
      "JobResponse": {
        "type": "object", "required": ["jobId", "status"],
        "properties": {
          "jobId": { "type": "string" },
          "type": { "type": "string" },
          "queryCondition": { "type": "string" },
          "createdTime": { "$ref": "#/components/schemas/Time" },
          "startTime": { "$ref": "#/components/schemas/Time" },
          "endTime": { "$ref": "#/components/schemas/Time" },
          "maxExecutionTimeInSeconds": { "type": "integer" },
          "updateTwin": { "$ref": "#/components/schemas/TwinUpdate" },
          "cloudToDeviceMethod": { "$ref": "#/components/schemas/MethodRequest" },
          "status": { "$ref": "#/components/schemas/JobStatus" },
          "failureReason": { "type": "string" },
          "deviceJobStatistics": {
            "type": "object",
            "properties": {
              "deviceCount": { "type": "integer" },
              "failedCount": { "type": "integer" },
              "succeededCount": { "type": "integer" },
              "runningCount": { "type": "integer" },
              "pendingCount": { "type": "integer" }
            }
          }
        }
      },
      "JobPlan": {
        "type": "object", "required": ["jobId", "changes"],
        "properties": {
          "jobId": { "$ref": "#/components/schemas/JobID" },
          "changes": {
            "type": "array",
            "items": {
              "type": "object", "required": ["deviceId", "connectionState"],
              "properties": {
                "deviceId": { "$ref": "#/components/schemas/ID" },
                "connectionState": {
                  "type": "string", "enum": ["Connected", "Disconnected"]
                },
                "tags": { "description": "The patch of the tags.", "type": "object" },
                "desired": {
                  "description": "The patch of the desired properties.", "type": "object"
                },
                "refusal": {
                  "description": "Why the device would fail.", "type": "string"
                }
              }
            }
          }
        }
      }
    }
    """
}
