import ArgumentParser

/// `orrery edge`: edge devices, seen from the hub, and what developers of modules and manifests need.
struct EdgeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edge",
    abstract: "See how edge devices are; write, run and rehearse modules and manifests for them.",
    discussion: """
      Commands of an edge device itself are those of 'orrery-edge', on that machine.

        orrery edge list
        orrery edge new module filter
        orrery edge dev deployment.template.json --processes
        orrery edge simulate deployment.json --generate '10/m from leaf-1' \\
          --link 'up 2h, down 30d, up'
      """,
    subcommands: [
      EdgeList.self, EdgeShow.self, EdgeNew.self, EdgeDev.self, EdgeSimulate.self,
    ]
  )
}
