import EdgeService
import Glibc
import Platform
import Testing

@Suite("Import of the vendor's settings")
struct SettingsImportTests {
  private static let paths = EdgePaths(data: "/d", run: "/run/e")
  private static let provisioning = """
    [provisioning]
    source = "dps"
    global_endpoint = "https://dps.example"
    id_scope = "0ne1"
    [provisioning.attestation]
    method = "symmetric_key"
    registration_id = "e1"
    symmetric_key = { value = "MDEyMzQ1Njc4OWFiY2RlZg==" }

    """

  private func read(_ text: String) throws(SettingsFault) -> SettingsImport {
    try SettingsImport(Array(text.utf8), file: "config.toml", paths: Self.paths)
  }

  private func fates(_ imported: SettingsImport) -> [String: SettingsImport.Line] {
    Dictionary(imported.lines.map { ($0.setting, $0) }) { first, _ in first }
  }

  @Test("what both know is carried over, and the new file says the same")
  func carried() throws {
    let imported = try read(
      """
      hostname = "gate.example"
      auto_reprovisioning_mode = "AlwaysOnStartup"
      trust_bundle_cert = "file:///etc/trust.pem"

      \(Self.provisioning)
      [edge_ca]
      cert = "file:///etc/ca.pem"
      pk = "file:///etc/ca.key"
      [moby_runtime]
      uri = "unix:///var/run/docker.sock"
      network = "azure-iot-edge"
      [image_garbage_collection]
      image_age_cleanup_threshold = "3d"
      """
    )
    #expect(!imported.hasMissing)
    #expect(imported.lines.allSatisfy { $0.fate == .carried }, "\(imported.lines)")
    let settings = try EdgeSettings(
      Array(imported.text.utf8),
      file: "edge.toml",
      paths: Self.paths
    )
    #expect(settings.hostName == "gate.example")
    #expect(settings.reprovisioning == .alwaysOnStartup)
    #expect(settings.trustBundle == "/etc/trust.pem")
    #expect(settings.imageCollection.ageSeconds == 3 * 86_400)
    #expect(
      settings.edgeAuthority.source == .preloaded(chain: "/etc/ca.pem", privateKey: "/etc/ca.key")
    )
    guard case .service(let service) = settings.provisioning else {
      Issue.record("it is of another kind")
      return
    }
    #expect(service.idScope == "0ne1")
    #expect(service.endpoint == "dps.example")
  }

  @Test("what has no effect differs, and says why")
  func differs() throws {
    let imported = try read(
      """
      \(Self.provisioning)
      [agent]
      name = "edgeAgent"
      [agent.config]
      image = "mcr.example/agent:1.5"
      createOptions = { HostConfig = { Binds = [] } }
      [connect]
      workload_uri = "unix:///var/run/iotedge/workload.sock"
      [listen]
      management_uri = "fd://aziot-edged.mgmt.socket"
      [watchdog]
      max_retries = "infinite"
      """
    )
    let fates = fates(imported)
    #expect(fates["agent.config.image"]?.fate == .differs)
    #expect(fates["agent.config.image"]?.note?.contains("no image") == true)
    #expect(fates["agent.name"]?.fate == .carried)
    #expect(fates["connect.workload_uri"]?.fate == .differs)
    #expect(fates["watchdog.max_retries"]?.fate == .differs)
    #expect(fates["listen.management_uri"]?.note?.contains("fd://") == true)
    #expect(!imported.hasMissing)
  }

  @Test("what has no counterpart is left out, with the rest of its table kept")
  func missing() throws {
    let imported = try read(
      """
      unheard_of = 1
      \(Self.provisioning)
      [aziot_keys]
      pkcs11_lib_path = "/usr/lib/libckteec.so"
      pkcs11_base_slot = "pkcs11:token=x?pin-value=1234"
      [image_garbage_collection]
      enabled = false
      cleanup_when = "soon"
      """
    )
    #expect(imported.hasMissing)
    let fates = fates(imported)
    for name in [
      "unheard_of", "aziot_keys.pkcs11_lib_path", "aziot_keys.pkcs11_base_slot",
      "image_garbage_collection.cleanup_when",
    ] {
      #expect(fates[name]?.fate == .missing, "\(name)")
      #expect(fates[name]?.note?.isEmpty == false)
    }
    #expect(fates["image_garbage_collection.enabled"]?.fate == .carried)
    #expect(!imported.text.contains("pkcs11"))
    let notes = imported.lines.compactMap(\.note).joined()
    #expect(!notes.contains("1234"))
    let settings = try EdgeSettings(
      Array(imported.text.utf8),
      file: "edge.toml",
      paths: Self.paths
    )
    #expect(!settings.imageCollection.isEnabled)
  }

  @Test("without a provisioning that can be used there is nothing to import")
  func refused() {
    for text in ["", "hostname = \"x\"", "[provisioning]\nsource = \"magic\"", "not toml ["] {
      #expect(throws: SettingsFault.self, "\(text)") { try read(text) }
    }
  }

  @Test("a file is replaced whole, for its owner alone, and the one before is kept")
  func replace() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/etc/edge.toml"
    let first = Array(Self.provisioning.utf8)
    try SettingsFile.replace(path, with: first, paths: Self.paths)
    #expect(try PrivateFile.read(path) == first)
    #expect(directory.mode("etc/edge.toml") == 0o600)
    #expect(!PrivateFile.exists(path + ".bak"))
    // What is no settings file changes nothing.
    #expect(throws: SettingsFault.self) {
      try SettingsFile.replace(path, with: Array("x".utf8), paths: Self.paths)
    }
    #expect(try PrivateFile.read(path) == first)
    // One that a group may read stays so, and others never may.
    chmod(path, 0o644)
    let second = first + Array("[metrics]\nhub_port = 0\n".utf8)
    try SettingsFile.replace(path, with: second, paths: Self.paths)
    #expect(try PrivateFile.read(path + ".bak") == first)
    #expect(directory.mode("etc/edge.toml") == 0o640)
    #expect(directory.mode("etc/edge.toml.bak") == 0o640)
  }
}
