# Files that an application has in htdocs/ go to /www, those in root/ to /.
PKG_NAME:=$(notdir $(CURDIR))

include $(INCLUDE_DIR)/package.mk

define Package/$(PKG_NAME)
  SECTION:=luci
  SUBMENU:=3. Applications
  DEPENDS:=$(LUCI_DEPENDS)
  PKGARCH:=all
endef

define Package/$(PKG_NAME)/description
  $(LUCI_DESCRIPTION)
endef

define Package/$(PKG_NAME)/install
	$(INSTALL_DIR) $(1)/www
	for it in htdocs/*; do [ ! -e "$$it" ] || $(CP) "$$it" $(1)/www/; done
	for it in root/*; do [ ! -e "$$it" ] || $(CP) "$$it" $(1)/; done
	rmdir $(1)/www 2>/dev/null || true
endef

$(eval $(call BuildPackage,$(PKG_NAME)))
