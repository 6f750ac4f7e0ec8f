// What `import StepKit` gives: the public API of the layers below.
@_exported public import StepAudit
@_exported public import StepCore
@_exported public import StepEvents

@_exported public import struct StepLog.StoreError
