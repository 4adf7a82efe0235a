# $(1): the package. Its fields become variables of make, as they do in OpenWrt.
define BuildPackage
$(eval $(Package/$(1)))

.PHONY: describe install
describe:
	$$(info name=$(1))
	$$(info version=$$(PKG_VERSION)-r$$(PKG_RELEASE))
	$$(foreach field,LICENSE LICENSE_FILES MAINTAINER,$$(info $$(field)=$$(PKG_$$(field))))
	$$(foreach field,SECTION SUBMENU DEPENDS USERID PKGARCH,$$(info $$(field)=$$($$(field))))
	$$(foreach part,description conffiles postinst prerm,$$(info [$$(part)])$$(info $$(Package/$(1)/$$(part))))
	@:

install:
	$$(call Package/$(1)/install,$$(OUT))
endef
