import Glibc
import HubEngine
import HubService
import JSONTree
import OperatorCommands
import Platform

/// Tells how to connect, once a hub listens.
struct Announcement: Sendable {
  /// The data directory, from the root on.
  let directory: String
  /// Where programs are told, nil for nowhere.
  let readyFile: String?
  /// Whether people are not told.
  let isQuiet: Bool

  /// Writes the files, tells the service manager, and prints the guide.
  func make(_ hub: ReadyHub) throws {
    let owner = hub.policies.first { $0.name == "iothubowner" }
    if let owner {
      var object = JSONObject()
      object["connectionString"] = .string(hub.connectionString(of: owner))
      object["ca"] = hub.authorityPath.map { .string($0) } ?? .null
      object["https"] = .int(Int64(hub.httpsPort))
      object["mqtt"] = .int(Int64(hub.mqttPort))
      object["amqp"] = .int(Int64(hub.amqpPort))
      object["admin"] = .string("http://\(hub.settings.adminHost):\(hub.adminPort)")
      object["adminToken"] = .string(hub.adminToken)
      object["idScope"] = hub.idScope.map { .string($0) }
      do {
        try PrivateFile.replace(
          directory + "/connection.json",
          with: JSON.bytes(.object(object))
        )
      } catch {
        // A convenience for the command line: a full disk must not keep the hub from starting.
        Console.current.remark("warning: \(error)")
      }
    }
    if let readyFile {
      try PrivateFile.replace(readyFile, with: JSON.bytes(.object(description(hub))))
    }
    ServiceManager.notify("READY=1")
    // Not by the console, which ends the program when nobody reads its output.
    if !isQuiet { print(guide(hub)) }
    fflush(nil)
  }

  private func description(_ hub: ReadyHub) -> JSONObject {
    var policies = JSONObject()
    for policy in hub.policies {
      policies[policy.name] = ["connectionString": .string(hub.connectionString(of: policy))]
    }
    var object = JSONObject()
    object["host"] = .string(hub.host)
    object["mqtt"] = .int(Int64(hub.mqttPort))
    object["amqp"] = .int(Int64(hub.amqpPort))
    object["https"] = .int(Int64(hub.httpsPort))
    object["plainMqtt"] = hub.plainMQTTPort.map { .int(Int64($0)) } ?? .null
    object["admin"] = .string("http://\(hub.settings.adminHost):\(hub.adminPort)")
    object["ca"] = hub.authorityPath.map { .string($0) } ?? .null
    object["policies"] = .object(policies)
    object["adminToken"] = .string(hub.adminToken)
    object["idScope"] = hub.idScope.map { .string($0) } ?? .null
    object["pid"] = .int(Int64(getpid()))
    return object
  }

  private func guide(_ hub: ReadyHub) -> String {
    let bold = isatty(1) == 1 && getenv("NO_COLOR") == nil
    func title(_ text: String) -> String { bold ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
    let ca = hub.authorityPath ?? "the authority that signed your certificate"
    let owner = hub.policies.first { $0.name == "iothubowner" }
    return """
      \(title("The hub is ready")) on \(hub.settings.host): \
      MQTT \(hub.mqttPort), AMQP \(hub.amqpPort), REST and WebSocket \(hub.httpsPort), \
      metrics http://\(hub.settings.adminHost):\(hub.adminPort)/metrics
      \(settingsNote(hub))
      \(title("Connection string of the owner")) (a secret; also in \(directory)/connection.json)
        \(owner.map { hub.connectionString(of: $0) } ?? "none")

      \(title("Admin token")) for backups and policies: \(directory)/admin.token

      \(title("What stock clients need"))
        azure-iot-device (Python):  IoTHubDeviceClient.create_from_connection_string(
                                      "HostName=\(hub.host);DeviceId=…;SharedAccessKey=…",
                                      server_verification_cert=open("\(ca)").read())
        azure-iot-hub (Python):     export REQUESTS_CA_BUNDLE=\(ca) SSL_CERT_FILE=\(ca)
        azure-eventhub (Python):    EventHubConsumerClient.from_connection_string(
                                      "Endpoint=sb://\(hub.host)/;SharedAccessKeyName=…;\
      SharedAccessKey=…;EntityPath=events",
                                      "$Default", connection_verify="\(ca)")
        mosquitto_pub:              --cafile \(ca) -h \(hub.host) -p \(hub.mqttPort)

      \(title("Next"))
        export ORRERY_CA=\(ca)
        orrery device create my-device --connect \(directory)/connection.json
        Ctrl-C stops the hub.
      """
  }

  private func settingsNote(_ hub: ReadyHub) -> String {
    var notes = "  names: " + hub.settings.names.joined(separator: ", ")
    if hub.settings.isEphemeral { notes += "\n  ephemeral: everything is gone when it stops" }
    if !hub.settings.isLogEnabled { notes += "\n  log.enabled is false: telemetry is NOT kept" }
    if let scope = hub.idScope { notes += "\n  provisioning: ID scope \(scope)" }
    if let port = hub.plainMQTTPort {
      notes += "\n  MQTT without TLS on 127.0.0.1:\(port), for measurements only"
    }
    return notes + "\n"
  }
}
