import Containers
import JSONTree
import Testing

@Suite("What crun is told of a module")
struct ContainerPlanTests {
  private static let users = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/srv/app:/bin/sh\n"
  private static let groups = "root:x:0:\napp:x:1001:\nextra:x:50:root,app\n"

  private func plan(
    _ body: String,
    image: String = #"{"Entrypoint":["/module"]}"#,
    userID: UInt32 = 0
  ) throws -> ContainerPlan {
    try ContainerPlan(
      try #require(try JSON.parse(body).objectValue),
      image: try #require(try JSON.parse(image).objectValue),
      ContainerPlan.Surroundings(
        folder: "/m",
        volumes: "/v",
        networkID: "edge",
        userID: userID,
        groupID: userID,
        users: Self.users,
        groups: Self.groups,
        hosts: "10.0.0.1 box\n",
        resolver: "nameserver 10.0.0.53\n",
        architecture: "amd64"
      )
    )
  }

  /// The value at a path of names and numbers.
  private func value(_ plan: ContainerPlan, _ path: String) -> String {
    var value = JSONValue.object(plan.specification)
    for part in path.split(separator: ".") {
      if let index = Int(part), let list = value.arrayValue {
        value = index < list.count ? list[index] : .null
      } else {
        value = value[String(part)] ?? .null
      }
    }
    return JSON.text(value)
  }

  private func mount(_ plan: ContainerPlan, _ target: String) -> JSONValue? {
    plan.specification["mounts"]?.arrayValue?.last { $0["destination"]?.stringValue == target }
  }

  @Test("process: image and create options together")
  func process() throws {
    let image =
      #"{"Entrypoint":["/e"],"Cmd":["c"],"Env":["A=1","B=2"],"WorkingDir":"/w","User":"app"}"#
    let rows: [(String, String, String)] = [
      ("{}", "process.args", #"["/e","c"]"#),
      (#"{"Cmd":["d"]}"#, "process.args", #"["/e","d"]"#),
      (#"{"Entrypoint":"/f"}"#, "process.args", #"["/f"]"#),
      (#"{"Entrypoint":["/f"],"Cmd":["d"]}"#, "process.args", #"["/f","d"]"#),
      (#"{"Env":["A=3","B"]}"#, "process.env.0", #""A=3""#),
      (#"{"Env":["A=3","B"]}"#, "process.env.2", #""HOME=/srv/app""#),
      ("{}", "process.env.1", #""B=2""#),
      ("{}", "process.cwd", #""/w""#),
      (#"{"WorkingDir":"/x"}"#, "process.cwd", #""/x""#),
      ("{}", "process.user", #"{"uid":1000,"gid":1001,"additionalGids":[50]}"#),
      (#"{"User":"1000:7"}"#, "process.user", #"{"uid":1000,"gid":7,"additionalGids":[]}"#),
      (#"{"User":"5"}"#, "process.user", #"{"uid":5,"gid":0,"additionalGids":[]}"#),
      (#"{"User":"0:extra"}"#, "process.user.gid", "50"),
      ("{}", "process.capabilities.effective", "[]"),
      (#"{"HostConfig":{"CapDrop":["ALL"]}}"#, "process.capabilities.bounding", "[]"),
      (
        #"{"User":"0","HostConfig":{"CapDrop":["ALL"],"CapAdd":["net_raw"]}}"#,
        "process.capabilities.effective", #"["CAP_NET_RAW"]"#
      ),
      (
        #"{"HostConfig":{"Ulimits":[{"Name":"nofile","Soft":5,"Hard":9}]}}"#, "process.rlimits.0",
        #"{"type":"RLIMIT_NOFILE","soft":5,"hard":9}"#
      ),
      (#"{"HostConfig":{"ReadonlyRootfs":true}}"#, "root.readonly", "true"),
      (
        #"{"HostConfig":{"SecurityOpt":["no-new-privileges"]}}"#, "process.noNewPrivileges", "true"
      ),
      ("{}", "linux.namespaces", #"[{"type":"mount"},{"type":"pid"},{"type":"ipc"}]"#),
      (
        #"{"Hostname":"h","HostConfig":{"NetworkMode":"none","PidMode":"host"}}"#,
        "linux.namespaces",
        #"[{"type":"mount"},{"type":"ipc"},{"type":"uts"},{"type":"network"}]"#
      ),
      (#"{"HostConfig":{"Privileged":true}}"#, "linux.seccomp", "null"),
      (#"{"HostConfig":{"SecurityOpt":["seccomp=unconfined"]}}"#, "linux.seccomp", "null"),
      ("{}", "linux.seccomp.defaultAction", #""SCMP_ACT_ALLOW""#),
    ]
    for (body, path, expected) in rows {
      #expect(value(try plan(body, image: image), path) == expected, "\(body) \(path)")
    }
  }

  @Test("mounts, names and limits")
  func mounts() throws {
    let plan = try plan(
      """
      {"StopSignal":"SIGINT","HostConfig":{"Binds":["/a:/b:ro","data:/d"],"Memory":64000000,
      "NanoCpus":500000000,"PidsLimit":20,"Tmpfs":{"/t":"size=1m"},"ExtraHosts":["box:host-gateway"],
      "Mounts":[{"Type":"volume","Source":"other","Target":"/o","ReadOnly":true}],"Dns":["10.0.0.9"],
      "PortBindings":{"80/tcp":[{"HostPort":"80"}]},"Devices":[{"PathOnHost":"/dev/ttyS0"}],
      "RestartPolicy":{"Name":"always"}},"NetworkingConfig":{"EndpointsConfig":{"edge":{}}}}
      """
    )
    #expect(
      mount(plan, "/b").map { JSON.text($0["options"] ?? .null) } == #"["rbind","ro","rprivate"]"#
    )
    #expect(mount(plan, "/d")?["source"] == "/v/data")
    #expect(mount(plan, "/o")?["source"] == "/v/other")
    #expect(mount(plan, "/t")?["type"] == "tmpfs")
    #expect(mount(plan, "/dev/ttyS0")?["source"] == "/dev/ttyS0")
    #expect(mount(plan, "/etc/hosts")?["source"] == "/m/hosts")
    #expect(plan.folders == ["/a", "/v/data", "/v/other"])
    #expect(plan.hosts == "127.0.0.1 box\n10.0.0.1 box\n")
    #expect(plan.resolver == "nameserver 10.0.0.9\n")
    #expect(plan.memoryBytes == 64_000_000)
    #expect((plan.nanoProcessors, plan.processLimit) == (500_000_000, 20))
  }

  @Test("what cannot be done is refused")
  func refused() {
    let rows: [(String, String)] = [
      (#"{"Healthcheck":{"Test":["CMD","x"]}}"#, "Healthcheck is not to be had"),
      (#"{"HostConfig":{"CpuShares":5}}"#, "HostConfig.CpuShares is not"),
      (#"{"HostConfig":{"UsernsMode":"host"}}"#, "HostConfig.UsernsMode"),
      (#"{"HostConfig":{"NetworkMode":"container:x"}}"#, "NetworkMode"),
      (#"{"NetworkingConfig":{"EndpointsConfig":{"other":{}}}}"#, "the network other"),
      (#"{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"81"}]}}}"#, "asks for 80/tcp at 81"),
      (
        #"{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"80","HostIp":"127.0.0.1"}]}}}"#,
        "127.0.0.1:80"
      ),
      (
        #"{"HostConfig":{"NetworkMode":"none","PortBindings":{"80/tcp":[{"HostPort":"80"}]}}}"#,
        "not none"
      ),
      (#"{"User":"nobody"}"#, "\"nobody\""),
      (#"{"User":"0:none"}"#, "group \"none\""),
      (#"{"Entrypoint":[1]}"#, "list of strings"),
      (#"{"HostConfig":{"Binds":["/a"]}}"#, "Binds must be"),
      (#"{"HostConfig":{"Binds":["../a:/b"]}}"#, "no volume's name"),
      (#"{"HostConfig":{"Binds":["/a:b"]}}"#, "no whole path"),
      (#"{"HostConfig":{"Binds":["/a:/b:exec"]}}"#, "the option \"exec\""),
      (#"{"HostConfig":{"Mounts":[{"Type":"npipe","Target":"/a"}]}}"#, "\"npipe\""),
      (#"{"HostConfig":{"Memory":"64m"}}"#, "whole number"),
      (#"{"HostConfig":{"CapAdd":["FLY"]}}"#, "no capability"),
      (#"{"HostConfig":{"SecurityOpt":["apparmor=mine"]}}"#, "apparmor=mine"),
      (#"{"HostConfig":{"PidMode":"container:x"}}"#, "PidMode"),
      (#"{"HostConfig":{"ExtraHosts":["name"]}}"#, "name:address"),
    ]
    for (body, text) in rows {
      #expect(throws: RuntimeFault.self, "\(body)") { try plan(body) }
      let fault = fault { _ = try plan(body) }
      #expect(fault?.description.contains(text) == true, "\(body): \(fault?.description ?? "")")
    }
    #expect(throws: RuntimeFault.self) { try plan("{}", image: "{}") }
    #expect(throws: RuntimeFault.self) { try plan(#"{"User":"5"}"#, userID: 1000) }
    #expect(throws: Never.self) { try plan(#"{"HostConfig":{"CpuShares":0,"Links":null}}"#) }
  }

  private func fault(_ body: () throws -> Void) -> RuntimeFault? {
    do {
      try body()
      return nil
    } catch {
      return error as? RuntimeFault
    }
  }

  @Test("without root the container has a namespace of users, with one")
  func withoutRoot() throws {
    let plan = try plan("{}", userID: 1000)
    #expect(
      value(plan, "linux.uidMappings") == #"[{"containerID":0,"hostID":1000,"size":1}]"#
    )
    #expect(value(plan, "linux.namespaces").contains("user"))
    #expect(mount(plan, "/sys")?["type"] == "none")
  }
}
