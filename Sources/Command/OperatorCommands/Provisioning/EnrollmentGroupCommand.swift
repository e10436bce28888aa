import ArgumentParser

/// `orrery enrollment-group`: the right of many devices to be provisioned.
struct EnrollmentGroupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "enrollment-group",
    abstract: "Enroll devices that share a secret or a signer.",
    discussion: """
      Each device has a key of its own, derived from the group's, or a certificate that the group's \
      signed. Give devices their derived key, never the group's:

        orrery enrollment-group create line-1
        orrery enrollment-group key line-1 --device pump-7
      """,
    subcommands: [
      EnrollmentCreate<EnrollmentGroupArgument>.self,
      EnrollmentList<EnrollmentGroupArgument>.self,
      EnrollmentShow<EnrollmentGroupArgument>.self,
      EnrollmentUpdate<EnrollmentGroupArgument>.self,
      EnrollmentDelete<EnrollmentGroupArgument>.self, EnrollmentGroupKeyCommand.self,
    ]
  )
}

/// The argument that names an enrollment group.
struct EnrollmentGroupArgument: EnrollmentTarget {
  typealias Details = GroupDetails

  @Argument(help: ArgumentHelp("The group's name.", valueName: "group"))
  var id: String

  func validate() throws { try Self.check(id) }

  static let terms = EnrollmentTerms.group

  static let create = CommandConfiguration(
    commandName: "create",
    abstract: "Make an enrollment group.",
    discussion: """
      By keys that the hub makes, by your own, by a certificate that signs those of the devices, \
      or by a registered authority:

        orrery enrollment-group create line-1
        orrery enrollment-group create line-2 --certificate line-2.pem
        orrery enrollment-group create plant --authority plant
        orrery enrollment-group create lost --certificate lost.pem --disabled
      """
  )

  static let list = CommandConfiguration(
    commandName: "list",
    abstract: "List the enrollment groups.",
    discussion: "  orrery enrollment-group list"
  )

  static let show = CommandConfiguration(
    commandName: "show",
    abstract: "Show an enrollment group.",
    discussion: """
      Its keys are asked for only with --show-keys, in JSON too.

        orrery enrollment-group show line-1
        orrery registration list line-1
      """
  )

  static let update = CommandConfiguration(
    commandName: "update",
    abstract: "Change an enrollment group; what is not named stays.",
    discussion: """
      It counts from the next registration on; devices that are assigned stay so.

        orrery enrollment-group update line-1 --tags '{"site":"south"}'
        orrery enrollment-group update line-2 --secondary-certificate next.pem
      """
  )

  static let delete = CommandConfiguration(
    commandName: "delete",
    abstract: "Delete an enrollment group; identities that came by it stay.",
    discussion: "  orrery enrollment-group delete line-1 --yes"
  )

  static let key = CommandConfiguration(
    commandName: "key",
    abstract: "Print the key of a device of the group, or the group's own.",
    discussion: """
      A device's key is derived from the group's on this machine. The group's own opens \
      everything: it is for the station that makes the others.

        orrery enrollment-group key line-1 --device pump-7
        orrery enrollment-group key line-1 > line-1.key
      """
  )
}
