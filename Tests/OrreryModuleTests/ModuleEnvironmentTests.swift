import HubContract
import OrreryModule
import Testing

@Suite("A module's environment (edge contract section 14)")
struct ModuleEnvironmentTests {
  private static let given = [
    "IOTEDGE_WORKLOADURI": "unix:///var/run/iotedge/workload.sock",
    "IOTEDGE_IOTHUBHOSTNAME": "Hub.example:8884", "IOTEDGE_GATEWAYHOSTNAME": "box",
    "IOTEDGE_DEVICEID": "edge-1", "IOTEDGE_MODULEID": "filter",
    "IOTEDGE_MODULEGENERATIONID": "63", "IOTEDGE_APIVERSION": "2019-01-30",
  ]
  private static let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

  private func refusal(_ variables: [String: String]) -> String? {
    do throws(ModuleFault) {
      _ = try ModuleEnvironment(variables)
      return nil
    } catch {
      #expect(error.code == .environment)
      return error.description
    }
  }

  @Test func `The edge tells who the module is and where to go`() throws {
    let environment = try ModuleEnvironment(Self.given)
    #expect(environment.identity == IdentityKey(deviceID: "edge-1", moduleID: "filter"))
    #expect(environment.gatewayHostName == "box")
    // Tokens and user names have no port.
    #expect(environment.hubName == "hub.example")
  }

  @Test func `A connection string takes the place of what is missing`() throws {
    for name in ["IOTEDGE_WORKLOADURI", "IOTEDGE_MODULEGENERATIONID"] {
      var variables = Self.given
      variables[name] = nil
      #expect(refusal(variables)?.contains(name) == true)
      variables["EdgeHubConnectionString"] =
        "HostName=h.example;DeviceId=d;ModuleId=m;SharedAccessKey=\(Self.key);GatewayHostName=127.0.0.9"
      let environment = try ModuleEnvironment(variables)
      #expect(environment.identity.clientID == "d/m")
      #expect(environment.gatewayHostName == "127.0.0.9")
      #expect(environment.hubName == "h.example")
    }
  }

  @Test func `Without a gateway the hub itself is dialled`() throws {
    let environment = try ModuleEnvironment([
      "EdgeHubConnectionString":
        "HostName=h.example;DeviceId=d;ModuleId=m;SharedAccessKey=\(Self.key)"
    ])
    #expect(environment.gatewayHostName == "h.example")
  }

  @Test func `What makes no sense is refused, and keys are not shown`() {
    #expect(refusal([:])?.contains("EdgeHubConnectionString") == true)
    var variables = Self.given
    variables["IOTEDGE_WORKLOADURI"] = "fd://socket"
    #expect(refusal(variables)?.contains("IOTEDGE_WORKLOADURI") == true)
    variables = Self.given
    variables["IOTEDGE_MODULEID"] = "a/b"
    #expect(refusal(variables)?.contains("IOTEDGE_MODULEID") == true)
    for text in [
      "HostName=h;DeviceId=d;SharedAccessKey=\(Self.key)",
      "HostName=h;DeviceId=d;ModuleId=m;x509=true", "HostName=h;DeviceId=d;\(Self.key)",
      "HostName=h;SharedAccessKeyName=n;SharedAccessKey=\(Self.key)",
    ] {
      let said = refusal(["EdgeHubConnectionString": text])
      #expect(said?.contains("EdgeHubConnectionString") == true)
      #expect(said?.contains("AAAA") == false)
    }
  }
}
