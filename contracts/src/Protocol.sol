// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessControlUpgradeable} from "@openzeppelin/contracts-upgradeable/access/AccessControlUpgradeable.sol";
import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// A protocol that a security council can pause and upgrade, and nothing else:
/// roles are given and taken by the admin, which is meant to be governance.
contract Protocol is AccessControlUpgradeable, PausableUpgradeable, UUPSUpgradeable {
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    bytes32 public constant UPGRADER_ROLE = keccak256("UPGRADER_ROLE");

    /// How often the protocol was used; it stands still while paused.
    uint256 public uses;

    event Used(address indexed by, uint256 uses);

    constructor() {
        _disableInitializers();
    }

    function initialize(address pauser, address upgrader, address admin) external initializer {
        __AccessControl_init();
        __Pausable_init();
        _grantRole(PAUSER_ROLE, pauser);
        _grantRole(UPGRADER_ROLE, upgrader);
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    function version() public pure virtual returns (string memory) {
        return "1";
    }

    function use() external whenNotPaused {
        uses++;
        emit Used(msg.sender, uses);
    }

    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    function _authorizeUpgrade(address) internal override onlyRole(UPGRADER_ROLE) {}
}
