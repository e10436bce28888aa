extension OpenAPIComponents {
  static let provisioningSchemas = """
    {
      "RegistrationID": {
        "type": "string", "minLength": 1, "maxLength": 128,
        "pattern": "^[A-Za-z0-9._:-]*[A-Za-z0-9-]$"
      },
      "Enrollment": {
        "type": "object",
        "description": "An individual enrollment has registrationId, a group enrollmentGroupId.",
        "required": ["attestation"],
        "properties": {
          "registrationId": { "$ref": "#/components/schemas/RegistrationID" },
          "enrollmentGroupId": { "$ref": "#/components/schemas/RegistrationID" },
          "deviceId": { "$ref": "#/components/schemas/ID" },
          "attestation": {
            "type": "object", "required": ["type"],
            "properties": {
              "type": { "type": "string", "enum": ["symmetricKey", "x509", "tpm"] },
              "symmetricKey": { "type": ["object", "null"] }, "x509": { "type": ["object", "null"] },
              "tpm": { "type": ["object", "null"] }
            }
          },
          "capabilities": { "type": ["object", "null"] },
          "initialTwin": { "type": ["object", "null"] },
          "provisioningStatus": { "type": "string", "enum": ["enabled", "disabled"] },
          "reprovisionPolicy": { "type": ["object", "null"] },
          "allocationPolicy": {
            "type": "string", "enum": ["hashed", "geoLatency", "static", "custom"]
          },
          "iotHubHostName": { "type": "string" },
          "iotHubs": { "type": "array", "items": { "type": "string" } },
          "customAllocationDefinition": { "type": ["object", "null"] },
          "clientCertificateIssuancePolicy": {
            "type": ["object", "null"],
            "properties": { "certificateAuthorityName": { "type": "string" } }
          },
          "etag": { "type": "string" },
          "createdDateTimeUtc": { "$ref": "#/components/schemas/Time" },
          "lastUpdatedDateTimeUtc": { "$ref": "#/components/schemas/Time" },
          "registrationState": { "$ref": "#/components/schemas/RegistrationState" }
        }
      },
      "QuerySpecification": {
        "type": "object", "required": ["query"],
        "properties": { "query": { "type": "string" } }
      },
      "RegistrationRequest": {
        "type": "object",
        "properties": {
          "registrationId": { "$ref": "#/components/schemas/RegistrationID" },
          "payload": { "$ref": "#/components/schemas/Any" },
          "csr": {
            "type": "string", "format": "byte",
            "description": "A signing request (PKCS #10), DER in base64."
          }
        }
      },
      "RegistrationState": {
        "type": "object",
        "properties": {
          "registrationId": { "type": "string" },
          "status": {
            "type": "string",
            "enum": ["unassigned", "assigning", "assigned", "failed", "disabled"]
          },
          "substatus": { "type": "string" }, "assignedHub": { "type": "string" },
          "deviceId": { "type": "string" }, "errorCode": { "type": "integer" },
          "errorMessage": { "type": "string" }, "etag": { "type": "string" },
          "issuedCertificateChain": {
            "type": "array",
            "description": "For the device alone: DER in base64, its own certificate first.",
            "items": { "type": "string", "format": "byte" }
          },
          "createdDateTimeUtc": { "$ref": "#/components/schemas/Time" },
          "lastUpdatedDateTimeUtc": { "$ref": "#/components/schemas/Time" }
        }
      },
      "RegistrationOperation": {
        "type": "object",
        "properties": {
          "operationId": { "type": "string" }, "status": { "type": "string" },
          "registrationState": { "$ref": "#/components/schemas/RegistrationState" }
        }
      }
    }
    """
}
