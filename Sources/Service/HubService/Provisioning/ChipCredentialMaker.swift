import HubContract
import Platform
import ProvisioningEngine

/// Encrypts to TPM 2.0 chips.
struct ChipCredentialMaker: TPMCredentialMaker {
  func wrap(
    _ secret: [UInt8],
    endorsementKey: [UInt8],
    storageRootKey: [UInt8]
  ) -> [UInt8]? {
    guard let endorsementKey = TPMPublicArea(endorsementKey),
      let storageRootKey = TPMPublicArea(storageRootKey)
    else { return nil }
    return TPMKeyBlob.make(
      secret,
      endorsementKey: endorsementKey,
      storageRootKey: storageRootKey
    )
  }
}
